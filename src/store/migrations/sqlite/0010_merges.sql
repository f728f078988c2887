-- Cards merged by hand, and what is needed to part them again.

create table card_merge (
    id        integer primary key,
    winner    blob not null references card (id),
    loser     blob not null references card (id),
    at        integer not null,
    person    integer references person (id),  -- who did it; null: a program
    body      text not null,                   -- what came over and how the winner stood, as JSON (store::merging)
    undone_at integer,
    undone_by integer references person (id)
) strict;
create index card_merge_by_loser on card_merge (loser);
create index card_merge_by_winner on card_merge (winner);
create index card_by_merged on card (merged_into) where merged_into is not null;

-- Becoming part of another card, and parting from it, are news of their own.
drop trigger card_told_changed;
create trigger card_told_changed after update of name, company, owner, note, mark on card
    when (new.name is not old.name or new.company is not old.company or new.owner is not old.owner
            or new.note is not old.note or new.mark is not old.mark)
        and exists (select 1 from subscription)
begin
    insert into news (kind, subject) values ('card.changed', new.id);
end;
create trigger card_told_merged after update of merged_into on card
    when new.merged_into is not old.merged_into and exists (select 1 from subscription)
begin
    insert into news (kind, subject)
    values (case when new.merged_into is null then 'card.parted' else 'card.merged' end, new.id);
    insert into news (kind, subject) values ('card.changed', coalesce(new.merged_into, old.merged_into));
end;
