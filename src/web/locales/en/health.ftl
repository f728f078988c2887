# What the doctor finds.

health-title = Health
health-all = Read the whole database too
health-good = Nothing needs anybody.
health-wrong =
    { $n ->
        [one] { $n } thing needs somebody.
       *[other] { $n } things need somebody.
    }
health-verdict = How it stands
health-check = What
health-subject = Of what
health-measured = Measured
verdict-good = good
verdict-remark = look at it
verdict-wrong = wrong
doctor-seconds = { $n } s
doctor-check-configuration = configuration
doctor-check-migrations = database schema
doctor-check-integrity = database whole
doctor-check-account = account heard
doctor-check-link = connection
doctor-check-refused = messages refused
doctor-check-clock = clock differs by
doctor-check-extension = phone of nobody
doctor-check-number = number of no channel
doctor-check-recordings-waiting = recordings waiting
doctor-check-recordings-failed = recordings not kept
doctor-check-outbox = jobs waiting, the oldest
doctor-check-letters = dead letters
doctor-check-certificate = certificate valid for
doctor-check-disk = free space
doctor-check-permissions = who may read
doctor-check-figures = figures that differ

# Why the connection to a PBX does not stand.

fault-not-yet = not connected yet
fault-unreachable = could not be connected: { $words }
fault-late = could not be connected in time
fault-untrusted = no TLS: { $words }
fault-deaf = cannot be listened on: { $words }
fault-closed = the PBX has closed the connection
fault-lost = the connection is lost: { $words }
fault-silent = the PBX has gone silent
fault-unheard = the PBX does not read what it is told
fault-decoder = reading its messages has failed
fault-behind = more messages than the store can take
fault-refused = the PBX does not let us in: { $words }
fault-stranger = whoever answers is not this PBX
fault-intruder = who has connected does not show user and secret
fault-uninvited = who has connected is not this PBX
fault-replaced = another program has taken our place at the PBX
fault-mute = the PBX answers no questions over this connection: { $words } and newer do
detail-refused = nobody listens there
detail-unresolved = nobody knows this name
detail-unrouted = there is no way there
detail-timeout = nobody answers
detail-broken = it broke off
detail-taken = the address is taken
detail-not-ours = the address is not this machine's
detail-forbidden = it is not permitted
detail-no-file = the file cannot be used ({ $words })
detail-no-tls = no TLS is spoken there
detail-unknown-authority = the certificate comes from one who is not trusted
detail-expired = the certificate has expired
detail-other-name = the certificate names somebody else

# Why a message was not read, and past calls were not got.

reason-unreadable = not readable
reason-unreadable-so = not readable: { $words }
reason-field = field { $words } is missing or unusable
reason-too-large = larger than { $words } bytes
reason-refused = the PBX refused: { $words }
reason-answer = the PBX's answer cannot be understood
reason-throttled = the PBX asks us to wait: { $words }
unread-json-syntax-error = the JSON is wrong
unread-json-data-error = the JSON holds something else than expected
unread-json-eof-error = the JSON breaks off
unread-json-io-error = the JSON was not read to its end
unread-the-body-is-no-form = it is no form
unread-neither-an-object-nor-a-form = it is neither an object nor a form
unread-not-a-form-with-a-json-field = it is no form with a field json
unread-not-utf-8 = it is not UTF-8
unread-broken-percent-escape = a percent escape is broken
unread-parts = a form of parts is broken
unread-a-row = a row has another number of columns
unread-twice = { $words } stands twice
unread-the-decoder-gave-up = reading it has failed
unread-the-journal-does-not-hold-a-request = the journal does not hold a request
unread-the-account-is-not-in-the-configuration = the account is not in the configuration
unread-it-is-neither-of-the-accounts-type-nor-facts-of-our-own = it is neither of such a PBX nor facts of our own
unread-this-pbx-does-not-ask-so = this PBX does not ask so
unread-this-pbx-cannot-do-that = this PBX cannot do that
unread-the-pbx-has-nothing-of-the-kind-yet = the PBX has nothing of the kind yet
unread-the-pbx-cannot-be-reached = the PBX cannot be reached
unread-the-address-is-not-a-web-address = the address is not a web address
unread-a-redirect-would-give-data-away = a redirect would give data away
unread-the-redirects-lead-nowhere = the redirects lead nowhere
unread-the-host-answered-too-slowly = the host answered too slowly
unread-the-host-could-not-be-reached = the host could not be reached
refusal-method = wrong method
refusal-no-account = no such account
refusal-too-large = too large
refusal-too-slow = came too slowly
refusal-broken-off = broke off
refusal-token = wrong secret in the address
refusal-signature = wrong signature
refusal-stale = out of date
refusal-too-many = too many at once
