-- The life of each pop: who got it and when it was decided, delivered, painted and taken away.
-- No foreign key on the call: a call that turns out to be another one takes its row with it.
create table pop (
    call          blob not null,
    person        integer not null references person (id),
    reason        text not null,               -- rung, supervises
    received_at   integer not null,            -- the causing bytes came in
    decided_at    integer not null,
    delivered_at  integer,                     -- first written to a socket of this person
    painted_at    integer,                     -- the page says that it stands on the screen
    withdrawn_at  integer,
    withdrawn_why text,
    primary key (call, person)
) strict, without rowid;
