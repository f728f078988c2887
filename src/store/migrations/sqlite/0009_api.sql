-- Tokens of the API. Only the hash of a token is kept.
create table api_token (
    id         integer primary key,
    name       text not null,
    person     integer references person (id), -- whose rights it has; null: a service
    role       text,                           -- a service's role; null: the person's own
    scopes     text not null,                  -- words, separated by spaces
    token_hash blob not null unique,           -- SHA-256 of 256 random bits
    hint       text not null,                  -- how it begins, to recognise it by
    created_at integer not null,
    created_by integer references person (id), -- null: the command line
    expires_at integer,                        -- null: never
    revoked_at integer,
    used_at    integer                         -- to within a few minutes
) strict;
create index api_token_by_person on api_token (person);

-- Which token a deed was done with.
alter table audit add column token integer references api_token (id);

-- Writes that named themselves: the same again gets the same answer.
create table api_answer (
    token      integer not null references api_token (id),
    name       text not null,                  -- the Idempotency-Key
    asked      blob not null,                  -- SHA-256 of method, path and body
    created_at integer not null,
    status     integer,                        -- null: under way
    body       text not null default '',
    primary key (token, name)
) strict, without rowid;
create index api_answer_by_time on api_answer (created_at);

-- What clients write: forms, letters, chats.
create table touch (
    id          blob primary key not null,
    card        blob not null references card (id),
    task        integer references task (id),  -- whose clock it started or found running
    kind        text not null,                 -- form, letter, chat, other
    client      text not null,                 -- E.164
    at          integer not null,              -- when the client wrote
    received_at integer not null,
    name        text not null default '',
    company     text not null default '',
    email       text not null default '',
    words       text not null default '',
    source      text not null default '',      -- where it came from: a campaign, a page's name
    page        text not null default '',      -- address of the page
    token       integer references api_token (id)
) strict;
create index touch_by_card on touch (card, at desc);
create index touch_by_time on touch (received_at desc, id desc);
create index touch_by_task on touch (task);
