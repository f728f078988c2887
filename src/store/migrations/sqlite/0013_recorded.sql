-- How calls of a line are recorded, from when on. Nothing has written the older table.
drop table line_recording;
create table line_recording (
    line       integer not null references line (id),
    valid_from integer not null,                -- calls begun from then on; before the first row: kept, unasked
    kept       integer not null,                -- 0: recordings are neither fetched nor kept
    notice     text not null,                   -- none, pbx (it announces by itself), prompt (our answer names the file)
    prompt     text not null,                   -- that file, as the PBX's dialplan plays it
    consent    text not null,                   -- free (not needed), announced, asked
    primary key (line, valid_from)
) strict, without rowid;

-- What waits for consent, and what a line's rule has left where it was.
create index recording_withheld on recording (id) where state = 'withheld';
create index recording_left on recording (call) where reason in ('line_not_recorded', 'consent_refused');
