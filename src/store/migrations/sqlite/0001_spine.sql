-- The spine. Times are microseconds since 1970 (UTC), spans milliseconds, ids of calls and cards uuid v7.
-- PostgreSQL's twin is ../postgres/0001_spine.sql; both change together.

-- ---- what arrived

-- Journal of raw messages, bounded in days; dead letters are the rows whose outcome says so.
create table raw (
    id          integer primary key,
    account     text not null,
    received_at integer not null,
    source      text not null,                 -- how it came: webhook, ami, cel, ...
    body        blob not null,                 -- as received (a webhook: method, path, query and body as JSON)
    outcome     text not null,                 -- applied, noted, ignored, undecodable, apply_failed, replayed
    reason      text not null default ''
) strict;
create index raw_dead on raw (id) where outcome in ('undecodable', 'apply_failed');

-- ---- calls

create table call (
    id           blob primary key not null,
    account      text not null,
    call_key     text not null,                -- the least key: shown and exported
    version      integer not null,             -- grows with every commit that touched the call
    phase        text not null,
    direction    text,
    result       text,
    ended        text,
    hangup_by    text,
    client       text,                         -- E.164
    client_shown text not null default '',     -- what to show when there is no E.164 (withheld, extension, raw)
    client_name  text not null default '',
    did          text,                         -- E.164 of our number, or raw
    line         integer references line (id),
    started_at   integer not null,
    rang_at      integer,
    answered_at  integer,
    ended_at     integer,
    wait_ms      integer,
    ring_ms      integer,
    talk_ms      integer,
    hold_ms      integer,
    answered_ext text,
    answered_by  integer references person (id),
    card         blob references card (id),
    match_reason text,                         -- own_number, number_and_extension, company_line, shared_number, created
    route_reason text,
    pop_ms       integer,                      -- event bytes in -> pop written to the first socket
    recording    text,                         -- best state of its recordings; null: none told of
    heard_at     integer not null,
    derived      text not null,                -- the whole derived Call as JSON (legs, transfers, ...)
    facts        blob,                         -- all facts as JSON; sealed: deflated (tracker::Facts)
    sealed       integer not null default 0
) strict;
create index call_by_start on call (started_at desc, id desc);
create index call_by_client on call (client) where client is not null;
create index call_by_card on call (card, started_at desc) where card is not null;
create index call_by_line on call (line, started_at desc);
create index call_by_person on call (answered_by, started_at desc) where answered_by is not null;
create index call_open on call (started_at) where ended is null;
create index call_to_seal on call (started_at) where sealed = 0 and ended is not null;

-- Every name a call goes by: keys of the provider, channel ids.
create table call_key (
    account text not null,
    key     text not null,
    call    blob not null references call (id),
    primary key (account, key)
) strict, without rowid;
create index call_key_by_call on call_key (call);

-- Who was rung, for "my calls", rights and figures by person.
create table call_person (
    call       blob not null references call (id),
    person     integer not null references person (id),
    started_at integer not null,
    rang       integer not null,               -- 0/1
    talked     integer not null,               -- 0/1
    primary key (person, started_at, call)
) strict, without rowid;
create index call_person_by_call on call_person (call);

-- Every routing decision with its reason.
create table decision (
    id      integer primary key,
    at      integer not null,
    account text not null,
    key     text,                              -- call key, where the question carried one
    client  text,
    did     text,
    attempt integer not null,
    targets text not null,                     -- JSON array of extensions
    ring_ms integer not null,
    reason  text not null,
    explain text not null,                     -- JSON: what was considered and why not
    took_us integer not null
) strict;
create index decision_by_key on decision (account, key);
create index decision_by_client on decision (client, at);

-- ---- clients

create table card (
    id          blob primary key not null,
    name        text not null default '',
    company     text not null default '',
    owner       integer references person (id),
    owner_since integer,                       -- answered_at of the call that made the owner; null: set by hand or import
    note        text not null default '',
    provisional integer not null default 0,
    first_line  integer references line (id),  -- first-touch source
    first_at    integer,                       -- start of the earliest call that came in; null: none yet
    created_at  integer not null,
    updated_at  integer not null,
    merged_into blob references card (id),
    version     integer not null default 1
) strict;
create index card_by_owner on card (owner, updated_at desc);
create index card_by_name on card (name, id);

create table card_phone (
    e164 text not null,
    ext  text not null default '',
    card blob not null references card (id),
    kind text not null,                        -- own, company, shared
    primary key (e164, ext, card)
) strict, without rowid;
-- An own number belongs to one live card.
create unique index card_phone_own on card_phone (e164, ext) where kind = 'own';
create index card_phone_by_card on card_phone (card);

-- Notes and changes on a card, newest first on the page; calls come from `call`.
create table card_event (
    id     integer primary key,
    card   blob not null references card (id),
    at     integer not null,
    person integer references person (id),
    kind   text not null,                      -- note, owner, created, imported, ...
    body   text not null
) strict;
create index card_event_by_card on card_event (card, at desc);

-- ---- people

create table department (
    id   integer primary key,
    name text not null unique
) strict;

create table person (
    id            integer primary key,
    login         text not null unique,
    name          text not null,
    role          text not null,
    department    integer references department (id),
    deputy        integer references person (id),
    language      text not null default 'ru',
    password_hash text,
    active        integer not null default 1,
    break_until   integer,                     -- not available until then; null: available
    created_at    integer not null
) strict;

create table person_extension (
    account   text not null,
    extension text not null,
    person    integer not null references person (id),
    primary key (account, extension)
) strict, without rowid;
create index person_extension_by_person on person_extension (person);

create table session (
    token_hash blob primary key not null,      -- SHA-256 of a 256-bit random token
    person     integer not null references person (id),
    csrf       text not null,
    created_at integer not null,
    seen_at    integer not null,
    expires_at integer not null
) strict, without rowid;

create table sign_in_link (
    token_hash blob primary key not null,
    person     integer not null references person (id),
    expires_at integer not null,
    used_at    integer
) strict, without rowid;

create table audit (
    id     integer primary key,
    at     integer not null,
    person integer references person (id),
    action text not null,                      -- sign_in, reveal, listen, download, export, change, ...
    object text not null,
    detail text not null default '',
    remote text not null default ''
) strict;
create index audit_by_person on audit (person, at desc);
create index audit_by_object on audit (object, at desc);

-- ---- lines, channels, routing

create table line (
    id      integer primary key,
    account text not null,
    did     text not null,                     -- E.164, or the raw number the PBX tells
    name    text not null,
    grp     integer references ring_group (id),-- who rings when the client has no owner
    unique (account, did)
) strict;

create table channel (
    id   integer primary key,
    name text not null unique
) strict;

create table line_channel (
    line       integer not null references line (id),
    channel    integer not null references channel (id),
    valid_from integer not null,
    valid_to   integer,                        -- null: still
    primary key (line, valid_from)
) strict, without rowid;

create table ring_group (
    id       integer primary key,
    name     text not null unique,
    strategy text not null                     -- round_robin, longest_idle, simultaneous
) strict;

create table ring_group_member (
    grp      integer not null references ring_group (id),
    person   integer not null references person (id),
    position integer not null,
    primary key (grp, person)
) strict, without rowid;

-- ---- tasks

create table task (
    id         integer primary key,
    kind       text not null,                  -- call_back
    card       blob references card (id),
    call       blob references call (id),
    client     text,
    person     integer references person (id),
    rung       integer,                    -- who was rung first; the task is his while the client has no owner
    created_at integer not null,
    due_at     integer not null,
    done_at    integer,
    done_by    blob,      -- the connected call that closed it
    outcome    text                            -- connected, client_called_again, obsolete
) strict;
create index task_open on task (person, due_at) where done_at is null;
create index task_by_client on task (client, done_at);
create unique index task_one_per_call on task (call, kind);

-- ---- recordings

create table recording (
    id          integer primary key,
    call        blob not null references call (id),
    account     text not null,
    recording   text not null,                 -- provider's id or file name
    source      text,                          -- RecordingSource as JSON; a secret
    state       text not null,                 -- waiting, fetching, kept, no_player, refused, failed, absent
    reason      text not null default '',
    sha256      text,
    size        integer,
    format      text,
    duration_ms integer,
    channels    integer,
    sample_rate integer,
    peaks       blob,
    measures    text,                          -- JSON: talk and silence shares per side, overlap, marks
    created_at  integer not null,
    kept_at     integer,
    unique (call, recording)
) strict;

-- ---- what must be told outside

create table outbox (
    id         integer primary key,
    kind       text not null,                  -- recording, ...
    target     text not null,                  -- whom: account or endpoint name
    lane       text not null,                  -- rows of one lane go one after another
    call       blob,
    body       text not null,
    created_at integer not null,
    due_at     integer not null,
    attempts   integer not null default 0,
    claimed_until integer,                     -- lease of the worker that has it
    state      text not null default 'waiting',-- waiting, done, failed
    error      text not null default ''
) strict;
create index outbox_due on outbox (due_at) where state = 'waiting';
create index outbox_lane on outbox (lane, id);

-- ---- figures

-- Sums per UTC quarter-hour x line x person x writer; reads sum over writers.
-- line 0: unknown line; person 0: nobody.
create table rollup (
    quarter   integer not null,                -- quarter-hours since 1970
    line      integer not null,
    person    integer not null,
    writer    integer not null,
    direction text not null,
    calls     integer not null,
    answered  integer not null,
    missed    integer not null,                -- every result that wants a call back
    talk_ms   integer not null,
    wait_ms   integer not null,
    ring_ms   integer not null,
    primary key (quarter, line, person, direction, writer)
) strict, without rowid;

-- Distinct clients per UTC day x line: one row per client seen.
create table rollup_client (
    day    integer not null,                   -- days since 1970
    line   integer not null,
    client text not null,
    calls  integer not null,                   -- falls to 0 when calls merge or change
    primary key (day, line, client)
) strict, without rowid;

-- Small values of the installation itself (schema marks, cursors of history files, ...).
create table setting (
    name  text primary key not null,
    value text not null
) strict, without rowid;

-- Grows whenever an extension or line changes, so that the writer may keep both tables in memory.
create table directory_version (
    version integer not null
) strict;
insert into directory_version (version) values (1);
create trigger person_extension_added after insert on person_extension begin update directory_version set version = version + 1; end;
create trigger person_extension_changed after update on person_extension begin update directory_version set version = version + 1; end;
create trigger person_extension_removed after delete on person_extension begin update directory_version set version = version + 1; end;
create trigger line_added after insert on line begin update directory_version set version = version + 1; end;
create trigger line_changed after update on line begin update directory_version set version = version + 1; end;
create trigger line_removed after delete on line begin update directory_version set version = version + 1; end;
