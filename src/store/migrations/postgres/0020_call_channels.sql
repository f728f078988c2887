-- SQLite's twin is ../sqlite/0020_call_channels.sql, which carries the comments; both change together.
create view call_by_rule as
select c.id as call, r.channel as channel, c.started_at as started_at, coalesce(c.line, 0) as line,
       case when c.direction = 'in' and c.phase = 'ended' then 1::bigint else 0 end as counted,
       case when c.direction = 'in' and c.phase = 'ended' and c.result = 'answered' then 1::bigint else 0 end as reached,
       case when c.direction = 'in' and c.phase = 'ended' and c.result not in ('answered', 'blocked') then 1::bigint else 0 end
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

create table call_channel (
    call       uuid primary key,
    channel    bigint not null,
    started_at bigint not null,
    line       bigint not null,
    counted    bigint not null,
    reached    bigint not null,
    missed     bigint not null,
    talk_ms    bigint not null,
    client     text
);
create index call_channel_by_channel on call_channel (channel, started_at desc, call desc);
create index call_channel_by_start on call_channel
    (started_at, counted, channel, line, reached, missed, talk_ms, client);

create table rule_change (
    one   bigint primary key check (one = 1),
    below bigint not null
);

-- The calls stay locked until the end, each statement sees what was committed before it got the lock: of
-- two transactions that tell visits of one call the later one knows both.
create function place_calls(placed uuid[]) returns void language plpgsql as $$
begin
    if placed is null
       or not (exists (select 1 from channel_rule)
               or exists (select 1 from call_channel where call = any (placed))) then
        return;
    end if;
    perform 1 from call where id = any (placed) order by id for no key update;
    delete from call_channel where call = any (placed);
    insert into call_channel select * from call_by_rule where call = any (placed);
end $$;
create function visits_placed() returns trigger language plpgsql as $$
begin
    perform place_calls((select array_agg(distinct call) from now_told where call is not null));
    return null;
end $$;
create function visits_moved() returns trigger language plpgsql as $$
begin
    perform place_calls((
        select array_agg(distinct m.call) from (
            select unnest(array[o.call, n.call]) as call from was_told o join now_told n on n.id = o.id
            where (o.call, o.confidence, o.at, o.source, o.medium, o.campaign)
                  is distinct from (n.call, n.confidence, n.at, n.source, n.medium, n.campaign)) m
        where m.call is not null));
    return null;
end $$;
create function visits_gone() returns trigger language plpgsql as $$
begin
    perform place_calls((select array_agg(distinct call) from was_told where call is not null));
    return null;
end $$;
create trigger visit_placed after insert on visit
    referencing new table as now_told for each statement execute function visits_placed();
create trigger visit_moved after update on visit
    referencing old table as was_told new table as now_told for each statement execute function visits_moved();
create trigger visit_gone after delete on visit
    referencing old table as was_told for each statement execute function visits_gone();

create function call_placed() returns trigger language plpgsql as $$
declare
    counts boolean := coalesce(new.direction = 'in' and new.phase = 'ended', false);
begin
    if new.line is not distinct from old.line then
        update call_channel set started_at = new.started_at, counted = counts::int,
            reached = (counts and coalesce(new.result, '') = 'answered')::int,
            missed = (counts and coalesce(new.result, 'blocked') not in ('answered', 'blocked'))::int,
            talk_ms = case when counts then coalesce(new.talk_ms, 0) else 0 end,
            client = case when counts then new.client end
        where call = new.id;
    elsif exists (select 1 from visit where call = new.id) then
        perform place_calls(array[new.id]);
    end if;
    return null;
end $$;
create trigger call_placed after update on call for each row
    when (new.line is distinct from old.line or new.started_at <> old.started_at
          or ((new.phase = 'ended' or old.phase = 'ended')
              and (new.phase, new.direction, new.result, new.talk_ms, new.client)
                  is distinct from (old.phase, old.direction, old.result, old.talk_ms, old.client)))
    execute function call_placed();

insert into call_channel select * from call_by_rule
where call in (select call from visit where call is not null) and exists (select 1 from channel_rule);
