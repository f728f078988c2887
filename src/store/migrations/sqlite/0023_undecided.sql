-- Undecided calls by their start instead of their last news: nearly every message moves `heard_at`, and an
-- index with that column made PostgreSQL write every change of a call into all of the table's indexes (no
-- HOT update), SQLite look into this one.
create index call_undecided_by_start on call (started_at)
    where result is null and ended is not null and direction = 'in';
drop index call_undecided;
