-- People, their phones, groups, lines and marked numbers: `office_version` grows with every change of
-- them, whoever makes it, so that what is kept in memory of them is read again at once.
create table office_version (
    version bigint not null
);
insert into office_version (version) values (1);
create function office_has_changed() returns trigger language plpgsql as $$
begin
    update office_version set version = version + 1;
    return null;
end $$;
create trigger office_person_changed after insert or update or delete on person
    for each statement execute function office_has_changed();
create trigger office_person_extension_changed after insert or update or delete on person_extension
    for each statement execute function office_has_changed();
create trigger office_ring_group_changed after insert or update or delete on ring_group
    for each statement execute function office_has_changed();
create trigger office_ring_group_member_changed after insert or update or delete on ring_group_member
    for each statement execute function office_has_changed();
create trigger office_line_changed after insert or update or delete on line
    for each statement execute function office_has_changed();
create trigger office_number_mark_changed after insert or update or delete on number_mark
    for each statement execute function office_has_changed();
