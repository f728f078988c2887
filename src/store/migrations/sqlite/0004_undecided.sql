-- Calls that came in and are over, and of which nobody has told whether anybody talked: few, and looked
-- for at start, because a task to check them is due a while after their last news.
create index call_undecided on call (heard_at)
    where result is null and ended is not null and direction = 'in';
