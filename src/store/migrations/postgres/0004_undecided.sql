-- SQLite's twin is ../sqlite/0004_undecided.sql, which carries the comments; both change together.
create index call_undecided on call (heard_at)
    where result is null and ended is not null and direction = 'in';
