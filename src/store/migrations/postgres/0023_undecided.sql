-- SQLite's twin is ../sqlite/0023_undecided.sql, which carries the comments; both change together.
create index call_undecided_by_start on call (started_at)
    where result is null and ended is not null and direction = 'in';
-- First touch and owner of a card are written again and again while it is new.
alter table card set (fillfactor = 80);
-- Last: readers wait from here on.
drop index call_undecided;
