-- The writer prepares a batch while the one before is on its way to disk. `directory_version` grows with
-- every change by which such a preparation may be wrong: beside extensions and lines, numbers taken from
-- a card, cards that were merged or went, calls that somebody else rewrote or removed. Whoever rewrites
-- calls by other means must let it grow himself.
-- `batches` counts what the writer has written, so that it notices another one.
alter table directory_version add column batches integer not null default 0;
create trigger card_phone_changed after update on card_phone begin update directory_version set version = version + 1; end;
create trigger card_phone_removed after delete on card_phone begin update directory_version set version = version + 1; end;
create trigger card_merged after update of merged_into on card begin update directory_version set version = version + 1; end;
create trigger card_removed after delete on card begin update directory_version set version = version + 1; end;
create trigger call_sealed after update of sealed on call when old.sealed <> new.sealed
    begin update directory_version set version = version + 1; end;
create trigger call_removed after delete on call begin update directory_version set version = version + 1; end;
