# Channels: their figures, numbers and costs.

lines-first = First-time
lines-target = Target
lines-spend = Spend
lines-per-call = Per call
lines-per-client = Per client
lines-per-target = Per target call
lines-talk-s = Talk, s
lines-was = before
lines-before = before: { $n }
lines-compared = The small figure is the change against { $days }.
lines-not-counted = First-time callers and target calls are counted call by call; with more than { $calls } calls in a period only on request.
lines-count-all = Count them all
formula-first = Clients whose first call ever began in this period: nobody had called from the number before
formula-target = Calls that fit the rule of their channel: least talk, days and hours, first-time callers only if it asks for it; without a channel, a minute of talk
formula-spend = What was imported for the channel, spread evenly over its days; per call, per client and per target call it is divided by their number
filter-channel = Channel
filter-figure = Only
period-last-month = Last month
figure-once = one call per client
figure-first = first-time callers
figure-target = target calls
