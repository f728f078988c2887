-- The channel that a rule (channel_rule) gives a call, kept beside the call: triggers keep it right whenever
-- the call, one of its visits or their join changes, in the transaction that changes it. A changed rule is
-- applied in portions (store::channel_rules), until when `rule_change` says so.

-- What the rules of today say of each call; only calls to which one gives a channel. Which of several visits
-- counts is said in store::sources (BY_WORTH) for who lists them: the same order.
create view call_by_rule as
select c.id as call, r.channel as channel, c.started_at as started_at, coalesce(c.line, 0) as line,
       case when c.direction = 'in' and c.phase = 'ended' then 1 else 0 end as counted,
       case when c.direction = 'in' and c.phase = 'ended' and c.result = 'answered' then 1 else 0 end as reached,
       case when c.direction = 'in' and c.phase = 'ended' and c.result not in ('answered', 'blocked') then 1 else 0 end
           as missed,
       case when c.direction = 'in' and c.phase = 'ended' then coalesce(c.talk_ms, 0) else 0 end as talk_ms,
       case when c.direction = 'in' and c.phase = 'ended' then c.client end as client
from call c
join visit v on v.id = (
    select w.id from visit w where w.call = c.id
    order by case when w.source = '' and w.medium = '' and w.campaign = '' then 1 else 0 end,
             w.confidence, w.at, w.id
    limit 1)
join channel_rule r on r.id = (
    select u.id from channel_rule u
    where (u.source = '' or u.source = v.source or (u.source like '%*'
             and substr(v.source, 1, length(u.source) - 1) = substr(u.source, 1, length(u.source) - 1)))
      and (u.medium = '' or u.medium = v.medium or (u.medium like '%*'
             and substr(v.medium, 1, length(u.medium) - 1) = substr(u.medium, 1, length(u.medium) - 1)))
      and (u.campaign = '' or u.campaign = v.campaign or (u.campaign like '%*'
             and substr(v.campaign, 1, length(u.campaign) - 1) = substr(u.campaign, 1, length(u.campaign) - 1)))
      and (u.line is null or u.line = c.line)
    order by u.place, u.id
    limit 1);

-- No foreign keys: a row goes with the visits of its call, which go before the call.
create table call_channel (
    call       blob primary key not null,
    channel    integer not null,
    started_at integer not null,               -- of the call; so are all that follow, for figures
    line       integer not null,               -- 0: not known
    counted    integer not null,               -- 1: it came in and is over: what figures count
    reached    integer not null,               -- 0/1
    missed     integer not null,               -- 0/1
    talk_ms    integer not null,
    client     text                            -- E.164; this and all from `reached` on: empty while not counted
) strict, without rowid;
create index call_channel_by_channel on call_channel (channel, started_at desc, call desc);
-- Holds all that figures of a period need.
create index call_channel_by_start on call_channel
    (started_at, counted, channel, line, reached, missed, talk_ms, client);

-- Rules have changed, and visits below this id wait for the rules of today. No row: none does.
create table rule_change (
    one   integer primary key check (one = 1),
    below integer not null
) strict;

create trigger visit_placed after insert on visit
when new.call is not null and exists (select 1 from channel_rule)
begin
    delete from call_channel where call = new.call;
    insert into call_channel select * from call_by_rule where call = new.call;
end;
create trigger visit_moved after update of call, confidence, at, source, medium, campaign on visit
when (new.call is not old.call or new.confidence is not old.confidence or new.at <> old.at
      or new.source <> old.source or new.medium <> old.medium or new.campaign <> old.campaign)
     and (exists (select 1 from channel_rule) or exists (select 1 from call_channel))
begin
    delete from call_channel where call in (old.call, new.call);
    insert into call_channel select * from call_by_rule where call in (old.call, new.call);
end;
create trigger visit_gone after delete on visit
when old.call is not null and (exists (select 1 from channel_rule) or exists (select 1 from call_channel))
begin
    delete from call_channel where call = old.call;
    insert into call_channel select * from call_by_rule where call = old.call;
end;
-- Visit and rule are as they were: only what figures need of the call is others.
create trigger call_counted after update of phase, direction, result, talk_ms, client, started_at on call
when new.started_at <> old.started_at
     or ((new.phase = 'ended' or old.phase = 'ended')
         and (new.phase <> old.phase or new.direction is not old.direction or new.result is not old.result
              or new.talk_ms is not old.talk_ms or new.client is not old.client))
begin
    update call_channel
    set started_at = new.started_at,
        counted = coalesce(new.direction = 'in' and new.phase = 'ended', 0),
        reached = coalesce(new.direction = 'in' and new.phase = 'ended' and new.result = 'answered', 0),
        missed = coalesce(new.direction = 'in' and new.phase = 'ended'
                          and new.result not in ('answered', 'blocked'), 0),
        talk_ms = case when new.direction = 'in' and new.phase = 'ended'
                       then coalesce(new.talk_ms, 0) else 0 end,
        client = case when new.direction = 'in' and new.phase = 'ended' then new.client end
    where call = new.id;
end;
create trigger call_moved after update of line on call
when new.line is not old.line and exists (select 1 from visit where call = new.id)
begin
    delete from call_channel where call = new.id;
    insert into call_channel select * from call_by_rule where call = new.id;
end;

insert into call_channel select * from call_by_rule
where call in (select call from visit where call is not null) and exists (select 1 from channel_rule);
