# Calls: pop, desk, journal, call page.

desk-title = Desk
watch-start = Watch my people's calls
watch-stop = Stop watching
tasks-title = Call back
tasks-none = Every missed call is dealt with.
unclaimed-title = Missed calls of nobody
task-missed-at = missed
task-late = late by { $span }
task-left = { $span } left
task-close = Not needed
task-close-hint = Close without a call
call-back = Call back
latest-title = My latest calls
latest-none = No calls in the last week.

pop-stage-ringing = Calling
pop-stage-talking = Talking
pop-stage-wrap-up = Wrap-up
pop-watched = Ringing at your team
pop-say = { $who } is calling
pop-hide = Hide (Esc)
pop-first-call = first call
pop-source = Came from
pop-keys = pressed
pop-owner = Responsible
pop-owner-you = you
pop-owner-none = nobody yet
pop-why = Why you
pop-match = Known by
pop-others =
    { $n ->
        [one] { $n } more card with this number
       *[other] { $n } more cards with this number
    }
pop-last = Last calls
pop-open-card = Open card
pop-open-call = About the call
copy-number = Copy
note-label = Note
note-placeholder = Note about the client (N)
note-save = Save note
wrap-title = How it ended
wrap-done = Done
wrap-agreed = Agreed
wrap-call-later = Call later
wrap-thinking = Thinking it over
wrap-not-interested = Not interested
wrap-wrong-number = Wrong number

why-owner = your client
why-pbx = the PBX decided so
why-supervises = you watch your people's calls
why-transfer-blind = transferred by { $from }
why-transfer-attended = transferred after asking by { $from }

direction-in = incoming
direction-out = outgoing
direction-internal = internal
direction-unknown = direction not known

phase-waiting = waiting
phase-ringing = ringing
phase-talking = talking

result-answered = answered
result-missed = missed
result-abandoned = abandoned
result-busy = busy
result-rejected = rejected
result-no-route = no route
result-failed = failed
result-voicemail = voicemail
result-ivr-only = menu only
result-after-hours = after hours
result-blocked = blocked
result-unknown = not known

number-unknown = number not known
number-withheld = number withheld

col-started = Started
col-client = Client
col-result = Result
col-person = Person
col-line = Line
col-wait = Wait
col-talk = Talk
col-recording = Recording
wait-formula = From the start of the call to the first human answer, or to the end
talk-formula = From the first human answer to the end, less hold

recording-mark-kept = recorded
recording-mark-no-player = recorded, download only
recording-mark-waiting = recording not ready yet
recording-mark-fetching = recording is being fetched
recording-mark-refused = recording refused
recording-mark-failed = recording could not be fetched
recording-mark-absent = no recording

route-owner = you are responsible for the client
route-deputy = you stand in for the responsible person
route-group = your group's turn
route-no-rule = no rule, the PBX decided
route-nobody-left = nobody else is left
route-timeout = no answer in time, the PBX decided
route-store-away = the database was away, the PBX decided

match-own-number = own number
match-number-and-extension = number and extension
match-company-line = company number
match-shared-number = shared number
match-created = nothing: a new client
