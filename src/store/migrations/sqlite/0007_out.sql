-- Telling the outside: who wants to hear of what, what there is to tell, and what became of telling it;
-- call-backs that are tried again and escalated; numbers that are not answered.

-- Whom to tell: an address of the web, or of a mailbox.
create table subscription (
    id            integer primary key,
    name          text not null,
    address       text not null,               -- https://..., or mailto:...
    events        text not null,               -- kinds with a blank between; *: every one
    secret        text not null default '',    -- whsec_...: signs what goes out
    former_secret text,                        -- signs, too, while the receiver learns the new one
    former_until  integer,
    sequence      integer not null default 0,  -- number of the latest message
    state         text not null default 'active', -- active, disabled
    reason        text not null default '',    -- of being disabled: by_person, gone, gave_up
    failing_since integer,                     -- first failure after the last success
    told_at       integer,                     -- last success
    created_at    integer not null
) strict;

-- What there is to tell, written in the transaction of the change itself while there is a subscription;
-- goes when it has become deliveries.
create table news (
    id      integer primary key,
    at      integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
    kind    text not null,                     -- call.started, card.changed, task.done, ...
    subject blob not null,                     -- call or card
    row     integer,                           -- task or recording
    body    text not null default ''           -- of calls: how it stood then
) strict;

-- One message to one subscription, until it is told or given up.
create table delivery (
    id           integer primary key,
    subscription integer not null references subscription (id),
    message      text not null,                -- webhook-id: the same on every attempt
    sequence     integer not null,
    kind         text not null,
    lane         text not null,                -- call/..., card/...: one after another
    head         integer not null,             -- 1: first of its lane
    body         text not null,
    created_at   integer not null,
    due_at       integer not null,
    retry_from   integer not null,             -- the schedule counts from here
    attempts     integer not null default 0,   -- of this schedule
    claimed_until integer,                     -- lease of the worker that has it
    state        text not null default 'waiting', -- waiting, done, failed
    status       integer,                      -- of the last answer
    error        text not null default '',
    ended_at     integer
) strict;
create index delivery_due on delivery (subscription, due_at) where state = 'waiting' and head = 1;
create index delivery_lane on delivery (subscription, lane, id) where state = 'waiting';
create index delivery_log on delivery (subscription, id);
create index delivery_failed on delivery (subscription, created_at) where state = 'failed';

create table delivery_attempt (
    id       integer primary key,
    delivery integer not null references delivery (id) on delete cascade,
    at       integer not null,
    status   integer,
    error    text not null default '',
    answer   text not null default '',         -- its first bytes
    took_ms  integer not null
) strict;
create index delivery_attempt_by_delivery on delivery_attempt (delivery);

-- The writer notices that somebody listens as it notices a new line.
create trigger subscription_added after insert on subscription begin update directory_version set version = version + 1; end;
create trigger subscription_removed after delete on subscription begin update directory_version set version = version + 1; end;

create trigger card_told_new after insert on card
    when exists (select 1 from subscription)
begin
    insert into news (kind, subject) values ('card.created', new.id);
end;

-- ---- call-backs

alter table task add column first_due_at integer;             -- before anybody tried; null: an older task
alter table task add column tries integer not null default 0; -- calls to the client that reached nobody
alter table task add column tried_at integer;
alter table task add column escalated_at integer;
alter table task add column escalated_to integer references person (id);
alter table task add column reason text not null default '';  -- why it is not needed
create index task_overdue on task (due_at) where done_at is null and escalated_at is null;
create index task_escalated on task (escalated_to, due_at) where done_at is null and escalated_at is not null;

create trigger task_told_new after insert on task
    when exists (select 1 from subscription)
begin
    insert into news (kind, subject, row) values ('task.created', coalesce(new.card, new.call), new.id);
end;
create trigger task_told_done after update of done_at on task
    when old.done_at is null and new.done_at is not null and exists (select 1 from subscription)
begin
    insert into news (kind, subject, row)
    values ('task.done', coalesce(new.card, new.call, old.card), new.id);
end;
create trigger task_told_escalated after update of escalated_at on task
    when old.escalated_at is null and new.escalated_at is not null
        and exists (select 1 from subscription)
begin
    insert into news (kind, subject, row) values ('task.escalated', coalesce(new.card, new.call), new.id);
end;
create trigger task_told_changed after update of person, due_at, done_at on task
    when (new.person is not old.person or new.due_at is not old.due_at
            or (old.done_at is not null and new.done_at is null))
        and new.done_at is null and exists (select 1 from subscription)
begin
    insert into news (kind, subject, row) values ('task.changed', coalesce(new.card, new.call), new.id);
end;

create trigger recording_told_ready after update of state on recording
    when new.state in ('kept', 'no_player') and old.state not in ('kept', 'no_player')
        and exists (select 1 from subscription)
begin
    insert into news (kind, subject, row) values ('recording.ready', new.call, new.id);
end;

-- ---- numbers that are not answered

-- spam: makes no call-backs; blocked: is not put through either.
create table number_mark (
    e164       text primary key not null,
    mark       text not null,                  -- spam, blocked
    reason     text not null default '',
    person     integer references person (id),
    created_at integer not null
) strict, without rowid;
alter table card add column mark text not null default '';    -- '', spam, blocked: of all own numbers
create index card_marked on card (mark) where mark <> '';

create trigger card_told_changed after update of name, company, owner, note, mark, merged_into on card
    when (new.name is not old.name or new.company is not old.company or new.owner is not old.owner
            or new.note is not old.note or new.mark is not old.mark
            or new.merged_into is not old.merged_into)
        and exists (select 1 from subscription)
begin
    insert into news (kind, subject) values ('card.changed', new.id);
end;
