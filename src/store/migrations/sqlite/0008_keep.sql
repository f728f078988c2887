-- What may stay, and what has gone.

-- Calls and cards that must not be let go of or erased, whatever their age.
create table hold (
    id        integer primary key,
    object    text not null,                   -- call:<id> or card:<id>
    reason    text not null,
    person    integer references person (id),  -- who set it; null: the command line
    at        integer not null,
    lifted_at integer,
    lifted_by integer references person (id)
) strict;
create unique index hold_live on hold (object) where lifted_at is null;

-- What was let go of or erased: how much, when, by which rule. Never what it said.
create table purge (
    id     integer primary key,
    at     integer not null,
    rule   text not null,                      -- recordings, journal, calls, cards, audit, ..., erase
    what   text not null,                      -- table, or files
    gone   integer not null,                   -- rows, or files
    before integer,                            -- older than this; null: not by age
    person integer references person (id),     -- who asked; null: upkeep or the command line
    detail text not null default ''
) strict;
create index purge_by_time on purge (at desc, id desc);

-- How calls of a line are recorded. A line without a row: everything is kept.
create table line_recording (
    line          integer primary key references line (id),
    kept          integer not null default 1,  -- 0: recordings are not fetched
    notice        text not null default '',    -- what callers are told, for the record
    consent_key   text not null default '',    -- the key a caller presses to agree; empty: nobody is asked
    pause_from    integer,                     -- minutes after midnight; recordings of calls begun
    pause_to      integer                      -- from then to here are not kept
) strict;
