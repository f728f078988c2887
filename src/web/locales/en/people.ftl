# People of the office, handing over, and who did what.

nav-people = People
people-title = People
people-none = There is nobody here yet.
people-add = Add a person
people-add-hint = A one-time sign-in link is shown then, good for a day. Phones are given on the person's own page.
people-added = { $name } is added.
person-role = Role
person-department = Department
person-phones = Phones
person-clients = Clients
person-call-backs = Call-backs
person-signed-in = Last sign-in
person-off = switched off
person-change = Name, role, department
person-deputy = Deputy
person-link = New sign-in link
person-switch-on = Switch on again
person-not-yours = Only somebody with more rights can change this person.
person-phones-hint = A phone belongs to one person. That of somebody who is switched off can be given to another.
person-account = PBX account
person-phone-add = Give this phone
person-phone-remove = Take away
error-role = There is no such role.
error-own-role = Nobody changes the role they have themselves.
error-own-off = Nobody switches themselves off.
error-last-administrator = Nobody would be left to run the installation. Make somebody else an administrator first.
error-deputy = A deputy is somebody else who is here and, for a head, of the same department.
error-person-off = This person is switched off.
error-phone = A phone is called by digits or letters, without spaces.
error-no-takers = There is nobody who could take over.

leave-title = Hand over, switch off
leave-hint = Clients and open call-backs go to somebody else for good; each client's history says whose it was. Next you see what will be done.
leave-to = Clients and call-backs go to
leave-to-nobody = nobody: they stay
leave-shared =
    { $n ->
        [one] in turns: { $name }, { $n } person
       *[other] in turns: { $name }, { $n } people
    }
leave-off = Switch off: has left
leave-look = See what will be done
leave-preview = { $name } leaves
leave-off-means = Signed out of everything at once, also of open pages; tokens of the API end; phones are not rung by routing any more. Calls and notes stay.
leave-stays = These stay with the person, whose calls go to the deputy or the group of the line:
leave-goes = To be handed over:
leave-while = Very many clients take a while. Closing the page does not break it off.
leave-do = Do it
leave-not = Leave it as it is
leave-done = Done. Handed over:
leave-clients =
    { $n ->
        [one] { $n } client
       *[other] { $n } clients
    }
leave-call-backs =
    { $n ->
        [one] { $n } open call-back
       *[other] { $n } open call-backs
    }

audit-title = Who did what
audit-hint = Everything that must be traceable. Taking this list away stands in it, too.
audit-none = Nobody did anything like that in this period.
audit-nobody = command line, or nobody known
audit-object = To what
audit-which = Which
audit-which-hint = address of its page
audit-detail = More
audit-remote = From
deed-sign-in = signed in
deed-sign-in-failed = did not get in
deed-set-password = set a password
deed-reveal = uncovered a number
deed-see-by-ring = saw by being rung
deed-search = searched a hidden number
deed-listen = listened
deed-download = downloaded
deed-export = exported
deed-change = changed
deed-call = called
deed-close-task = closed a call-back
deed-mark = marked
deed-unmark = took a mark off
deed-consent = noted consent
deed-pause = paused recording
deed-resume = resumed recording
deed-hold = set a legal hold
deed-release = lifted a legal hold
deed-erase = erased
deed-link = made a sign-in link
deed-switch-off = switched off
deed-switch-on = switched on
deed-hand-over = handed over
deed-subscribe = added a webhook
deed-unsubscribe = removed a webhook
deed-rotate-secret = made a new secret
deed-enable-subscription = enabled a webhook
deed-disable-subscription = disabled a webhook
deed-replay = told or read again
deed-reload = read the configuration
deed-reconcile = read past calls
deed-test-connection = tested a connection
deed-object-call = call
deed-object-card = client
deed-object-recording = recording
deed-object-person = person
deed-object-task = call-back
deed-object-token = token
deed-object-line = number
deed-object-channel = channel
deed-object-account = PBX account
deed-object-subscription = webhook
deed-object-raw = message
deed-object-delivery = told message
deed-object-calls = list of calls
deed-object-cards = list of clients
deed-object-lines = figures by line
deed-object-audit = who did what
deed-object-number = a number
deed-object-channels = channels
deed-object-spend = spend
deed-object-configuration = configuration
deed-object-erased = (erased)
