-- The writer prepares a batch while the one before is on its way, as on SQLite (0011). `directory_version`
-- grows with every change of numbers and cards by which such a preparation may be wrong; calls that somebody
-- else rewrote or removed are told by their own versions, under lock. Whoever removes nothing must not wait
-- for that row.
create function directory_has_lost() returns trigger language plpgsql as $$
begin
    if exists (select 1 from gone) then
        update directory_version set version = version + 1;
    end if;
    return null;
end $$;
create trigger card_phone_moved after update on card_phone
    referencing old table as gone for each statement execute function directory_has_lost();
create trigger card_phone_removed after delete on card_phone
    referencing old table as gone for each statement execute function directory_has_lost();
create trigger card_removed after delete on card
    referencing old table as gone for each statement execute function directory_has_lost();
create trigger card_merged after update of merged_into on card
    for each statement execute function directory_has_changed();
-- Counts what writers have written, so that each notices the others. A row of its own: whoever changes the
-- directory in a long transaction must not hold them up.
create table writer_stand (
    batches bigint not null
);
insert into writer_stand (batches) values (0);
