-- People, their phones, groups, lines and marked numbers: `office_version` grows with every change of
-- them, whoever makes it, so that what is kept in memory of them is read again at once.
create table office_version (
    version integer not null
);
insert into office_version (version) values (1);
create trigger office_person_added after insert on person begin update office_version set version = version + 1; end;
create trigger office_person_changed after update on person begin update office_version set version = version + 1; end;
create trigger office_person_removed after delete on person begin update office_version set version = version + 1; end;
create trigger office_person_extension_added after insert on person_extension begin update office_version set version = version + 1; end;
create trigger office_person_extension_changed after update on person_extension begin update office_version set version = version + 1; end;
create trigger office_person_extension_removed after delete on person_extension begin update office_version set version = version + 1; end;
create trigger office_ring_group_added after insert on ring_group begin update office_version set version = version + 1; end;
create trigger office_ring_group_changed after update on ring_group begin update office_version set version = version + 1; end;
create trigger office_ring_group_removed after delete on ring_group begin update office_version set version = version + 1; end;
create trigger office_ring_group_member_added after insert on ring_group_member begin update office_version set version = version + 1; end;
create trigger office_ring_group_member_changed after update on ring_group_member begin update office_version set version = version + 1; end;
create trigger office_ring_group_member_removed after delete on ring_group_member begin update office_version set version = version + 1; end;
create trigger office_line_added after insert on line begin update office_version set version = version + 1; end;
create trigger office_line_changed after update on line begin update office_version set version = version + 1; end;
create trigger office_line_removed after delete on line begin update office_version set version = version + 1; end;
create trigger office_number_mark_added after insert on number_mark begin update office_version set version = version + 1; end;
create trigger office_number_mark_changed after update on number_mark begin update office_version set version = version + 1; end;
create trigger office_number_mark_removed after delete on number_mark begin update office_version set version = version + 1; end;
