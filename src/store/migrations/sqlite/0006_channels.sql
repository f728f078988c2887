-- Roll-ups know quarter-hours, so a number changes its channel on a quarter-hour: what stands in between
-- is moved down to one, and what would be nothing then goes.
delete from line_channel where valid_to is not null and valid_to / 900000000 = valid_from / 900000000;
update line_channel set valid_from = valid_from / 900000000 * 900000000,
    valid_to = valid_to / 900000000 * 900000000;
create index line_channel_by_channel on line_channel (channel);

-- Which calls of a channel count as target calls (rules::channels::TargetRule).
alter table channel add column target_talk_s integer not null default 60;
alter table channel add column target_first integer not null default 0;
alter table channel add column target_days text not null default '1111111'; -- Monday first
alter table channel add column target_from_min integer not null default 0;  -- minutes of the company's day
alter table channel add column target_to_min integer not null default 1440;

-- What a channel cost over whole days of the company's calendar, both ends included.
create table spend (
    channel      integer not null references channel (id),
    day_from     integer not null,             -- days since 1970-01-01
    day_to       integer not null,
    amount_minor integer not null,             -- kopecks, cents, ...
    currency     text not null,                -- ISO 4217
    imported_at  integer not null,
    primary key (channel, day_from, day_to)
) strict, without rowid;

-- What was changed about people, extensions, groups, lines, channels and accounts, and by whom.
create table config_change (
    id     integer primary key,
    at     integer not null,
    person integer references person (id),     -- null: the command line, or found at start
    origin text not null,                      -- page, command, start
    kind   text not null,                      -- person, extension, group, line, channel, assignment, spend, account
    object text not null,                      -- which one, as people call it
    before text,                               -- null: it was not there
    after  text                                -- null: it is not there any more
) strict;

-- Messages of a known account that were not let in, by reason; counted in memory, written now and then.
create table refusal (
    account text not null,
    reason  text not null,                     -- signature, token, stale, ...
    times   integer not null,
    last_at integer not null,
    primary key (account, reason)
) strict, without rowid;
