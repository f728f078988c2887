-- Rules that give a call its channel by where its client came from, for numbers that channels share; a call
-- that fits none has the channel of its number (line_channel). Joined when figures are read.
create table channel_rule (
    id       integer primary key,
    place    integer not null,                 -- the first rule that fits counts
    source   text not null,                    -- in small letters; empty: any; `x*`: begins with x
    medium   text not null,                    -- the same
    campaign text not null,                    -- the same
    line     integer references line (id),     -- null: whatever number was dialled
    channel  integer not null references channel (id)
) strict;
