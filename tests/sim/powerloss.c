/*
 * Power loss for tests: an LD_PRELOAD shim that keeps, beside each file of one folder, a copy that
 * holds only what was synced. After kill -9 the copies are what a disk would hold after power loss:
 * every write that no fsync or fdatasync followed is gone.
 *
 *   POWERLOSS_DATA    folder whose files are watched
 *   POWERLOSS_DURABLE folder of the copies, made by the caller
 *   POWERLOSS_SURVIVE percent of the writes that reach the disk, whole or only their first sectors,
 *                     although no sync has followed: a disk may write what it likes, in any order
 *   POWERLOSS_SEED    which of them
 *
 * Watched: open, openat, write, pwrite, ftruncate, fsync, fdatasync, unlink, close and their 64 twins.
 * Shared-memory files (-shm) are left out: SQLite makes them anew. Writes through mmap are not seen;
 * SQLite makes none to its database or log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FD = 65536, MAX_FILES = 1024 };

/* One write or, with data == NULL, one truncation that no sync has followed yet. */
struct change {
	struct change *next;
	off_t offset;
	size_t length;
	char *data;
};

struct file {
	char name[NAME_MAX + 1];
	struct change *first, *last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[MAX_FILES];
static int file_count;
static struct file *by_fd[MAX_FD];
static const char *data_folder, *durable_folder;
static size_t data_length;
static unsigned survive;
static unsigned long long chance = 88172645463325252ULL;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_close)(int);

__attribute__((constructor)) static void prepare(void)
{
	if (real_open)
		return;
	real_open = dlsym(RTLD_NEXT, "open64");
	real_openat = dlsym(RTLD_NEXT, "openat64");
	real_write = dlsym(RTLD_NEXT, "write");
	real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
	real_fsync = dlsym(RTLD_NEXT, "fsync");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	real_unlink = dlsym(RTLD_NEXT, "unlink");
	real_close = dlsym(RTLD_NEXT, "close");
	data_folder = getenv("POWERLOSS_DATA");
	durable_folder = getenv("POWERLOSS_DURABLE");
	data_length = data_folder ? strlen(data_folder) : 0;
	if (getenv("POWERLOSS_SURVIVE"))
		survive = (unsigned)atoi(getenv("POWERLOSS_SURVIVE"));
	if (getenv("POWERLOSS_SEED"))
		chance += strtoull(getenv("POWERLOSS_SEED"), NULL, 10) * 2654435761ULL;
}

static unsigned roll(unsigned below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 16) % below);
}

/* The watched file of this path, made known if it is new; NULL for all others. */
static struct file *watched(const char *path)
{
	const char *name;
	size_t length;
	int i;

	if (!data_length || !durable_folder || strncmp(path, data_folder, data_length) != 0 ||
	    path[data_length] != '/')
		return NULL;
	name = path + data_length + 1;
	length = strlen(name);
	if (strchr(name, '/') || length > NAME_MAX ||
	    (length > 4 && strcmp(name + length - 4, "-shm") == 0))
		return NULL;
	for (i = 0; i < file_count; i++)
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	if (file_count == MAX_FILES)
		abort();
	strcpy(files[file_count].name, name);
	return &files[file_count++];
}

static void durable_path(const struct file *file, char *path, size_t size)
{
	if ((size_t)snprintf(path, size, "%s/%s", durable_folder, file->name) >= size)
		abort();
}

static void forget(struct file *file)
{
	while (file->first) {
		struct change *next = file->first->next;
		free(file->first->data);
		free(file->first);
		file->first = next;
	}
	file->last = NULL;
}

/* A write that reaches the disk before anybody asks for it, perhaps torn between two sectors. */
static void survives(const struct file *file, const void *data, size_t length, off_t offset)
{
	char path[PATH_MAX];
	size_t sectors = length / 512;
	int fd;

	if (roll(100) >= survive)
		return;
	if (sectors > 1 && roll(2))
		length = (1 + roll((unsigned)sectors - 1)) * 512;
	durable_path(file, path, sizeof path);
	fd = real_open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || real_pwrite(fd, data, length, offset) != (ssize_t)length)
		abort();
	real_close(fd);
}

static void remember(struct file *file, const void *data, size_t length, off_t offset)
{
	struct change *change = calloc(1, sizeof *change);

	if (!change)
		abort();
	change->offset = offset;
	change->length = length;
	if (data) {
		change->data = malloc(length ? length : 1);
		if (!change->data)
			abort();
		memcpy(change->data, data, length);
		survives(file, data, length, offset);
	}
	if (file->last)
		file->last->next = change;
	else
		file->first = change;
	file->last = change;
}

/* A sync: everything remembered becomes durable, in its order. */
static void make_durable(struct file *file)
{
	char path[PATH_MAX];
	struct change *change;
	int fd;

	durable_path(file, path, sizeof path);
	fd = real_open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	for (change = file->first; change; change = change->next) {
		if (!change->data) {
			if (real_ftruncate(fd, change->offset) != 0)
				abort();
		} else if (real_pwrite(fd, change->data, change->length, change->offset) !=
			   (ssize_t)change->length) {
			abort();
		}
	}
	forget(file);
	real_close(fd);
}

static void opened(int fd, const char *path, int flags)
{
	struct file *file;

	if (fd < 0 || fd >= MAX_FD)
		return;
	pthread_mutex_lock(&lock);
	file = watched(path);
	by_fd[fd] = file;
	if (file && (flags & O_TRUNC))
		remember(file, NULL, 0, 0);
	pthread_mutex_unlock(&lock);
}

static mode_t mode_of(int flags, va_list list)
{
	return (flags & (O_CREAT | O_TMPFILE)) ? (mode_t)va_arg(list, int) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;
	int fd;

	prepare();
	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	fd = real_open(path, flags, mode);
	opened(fd, path, flags);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;
	int fd;

	prepare();
	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	fd = real_open(path, flags, mode);
	opened(fd, path, flags);
	return fd;
}

int openat64(int folder, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;
	int fd;

	prepare();
	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	fd = real_openat(folder, path, flags, mode);
	opened(fd, path, flags);
	return fd;
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;
	int fd;

	prepare();
	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	fd = real_openat(folder, path, flags, mode);
	opened(fd, path, flags);
	return fd;
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t offset)
{
	ssize_t written = real_pwrite(fd, data, length, offset);

	if (written > 0)
		remember(by_fd[fd], data, (size_t)written, offset);
	return written;
}

static int is_watched(int fd)
{
	return fd >= 0 && fd < MAX_FD && by_fd[fd];
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset)
{
	ssize_t written;

	prepare();
	if (!is_watched(fd))
		return real_pwrite(fd, data, length, offset);
	pthread_mutex_lock(&lock);
	written = write_at(fd, data, length, offset);
	pthread_mutex_unlock(&lock);
	return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
	ssize_t written;
	off_t offset;

	prepare();
	if (!is_watched(fd))
		return real_write(fd, data, length);
	pthread_mutex_lock(&lock);
	offset = lseek(fd, 0, SEEK_CUR);
	written = write_at(fd, data, length, offset);
	if (written > 0)
		lseek(fd, offset + written, SEEK_SET);
	pthread_mutex_unlock(&lock);
	return written;
}

int ftruncate64(int fd, off_t length)
{
	int result;

	prepare();
	if (!is_watched(fd))
		return real_ftruncate(fd, length);
	pthread_mutex_lock(&lock);
	result = real_ftruncate(fd, length);
	if (result == 0)
		remember(by_fd[fd], NULL, 0, length);
	pthread_mutex_unlock(&lock);
	return result;
}

int ftruncate(int fd, off_t length)
{
	return ftruncate64(fd, length);
}

static int synced(int fd)
{
	pthread_mutex_lock(&lock);
	make_durable(by_fd[fd]);
	pthread_mutex_unlock(&lock);
	return 0;
}

int fsync(int fd)
{
	prepare();
	return is_watched(fd) ? synced(fd) : real_fsync(fd);
}

int fdatasync(int fd)
{
	prepare();
	return is_watched(fd) ? synced(fd) : real_fdatasync(fd);
}

int unlink(const char *path)
{
	char durable[PATH_MAX];
	struct file *file;

	prepare();
	pthread_mutex_lock(&lock);
	file = watched(path);
	if (file) {
		forget(file);
		durable_path(file, durable, sizeof durable);
		real_unlink(durable);
	}
	pthread_mutex_unlock(&lock);
	return real_unlink(path);
}

int close(int fd)
{
	prepare();
	if (fd >= 0 && fd < MAX_FD)
		by_fd[fd] = NULL;
	return real_close(fd);
}
