-- SQLite's twin is ../sqlite/0003_pop.sql, which carries the comments; both change together.
create table pop (
    call          uuid not null,
    person        bigint not null references person (id),
    reason        text not null,
    received_at   bigint not null,
    decided_at    bigint not null,
    delivered_at  bigint,
    painted_at    bigint,
    withdrawn_at  bigint,
    withdrawn_why text,
    primary key (call, person)
);
