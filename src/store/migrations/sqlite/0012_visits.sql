-- Where clients who called came from: told by call-tracking services beside the calls, or by a PBX with
-- them. A visit is joined to a call by name, or by numbers and time (rules::attribution), again and again
-- until `due_at` says no more; so a better join takes the place of an earlier one, whichever came first.
create table visit (
    id         integer primary key,
    account    text not null,                  -- who told it
    visit      text not null,                  -- its name there; `call/<id>`: told by the call's own PBX
    version    integer not null default 1,     -- grows with every telling
    at         integer not null,               -- when the client called
    told_at    integer not null,               -- when it was first told
    client     text,                           -- E.164
    hints      text not null,                  -- numbers, names and accounts of the call (model::visit::Hints)
    stage      integer not null,               -- of two tellings the one of the later stage is believed
    source     text not null,                  -- in small letters, for reports; so are the next three
    medium     text not null,
    campaign   text not null,
    term       text not null,
    fields     text not null,                  -- everything told, as a JSON object
    call       blob references call (id),      -- null: not joined
    confidence integer,                        -- of the join: 1 by name, 2 by client and line, 3 by client
    state      text not null,                  -- waiting, joined, ambiguous, unmatched
    due_at     integer,                        -- when to look for its call again; null: no more
    unique (account, visit)
) strict;
create index visit_by_call on visit (call, confidence) where call is not null;
create index visit_by_time on visit (at);
create index visit_due on visit (due_at) where due_at is not null;
create index visit_by_client on visit (client) where due_at is not null;
