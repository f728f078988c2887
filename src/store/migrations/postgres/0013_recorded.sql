-- How calls of a line are recorded, from when on. SQLite's twin carries the comments.
drop table line_recording;
create table line_recording (
    line       bigint not null references line (id),
    valid_from bigint not null,
    kept       bigint not null,
    notice     text not null,
    prompt     text not null,
    consent    text not null,
    primary key (line, valid_from)
);

create index recording_withheld on recording (id) where state = 'withheld';
create index recording_left on recording (call) where reason in ('line_not_recorded', 'consent_refused');
