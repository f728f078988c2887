# Reading the configuration anew, watching a test call, the guided set-up.

reload-title = Configuration
reload-hint = The file is read at start, by this button, by SIGHUP and by “ringcard reload”. A file with a mistake changes nothing.
reload-now = Read the configuration anew
reload-taken = taken over
reload-refused = nothing was changed
reload-accounts = Accounts that came, went or changed:
reload-restart = Waits for a restart:

trace-title = A test call
trace-hint = Press the button, then call one of your numbers from any phone. The steps fill in by themselves.
trace-start = Watch a test call
trace-now = Call one of your numbers now. Watching since
trace-refresh = Show how far it is
trace-again = Watch the next call
trace-link-down = The connection to the PBX does not stand: { $why }.
trace-link-remedy = Test the connection
trace-signature = Messages came whose signature does not fit: { $n } so far.
trace-signature-remedy = Compare key and salt with the provider's cabinet
trace-token = Messages came to an address whose secret part is wrong: { $n } so far.
trace-token-remedy = Enter the address from the first step in the provider's cabinet
trace-refused = Messages were not let in ({ $why }): { $n } so far.
trace-event-waits = No message of this account has come yet.
trace-call-waits = No call is known yet.
trace-call = A call is understood: { $direction }, { $client }.
trace-call-open = Open the call
trace-line = Your number: { $line }.
trace-line-channel = Your number: { $line }. It belongs to no channel, so reports cannot say where its clients come from.
trace-line-unknown = The number { $number } was called, and it is no line yet.
trace-line-remedy = Add the line
trace-line-untold = The PBX does not tell which of your numbers was called.
trace-rung = The phone of { $name } is in this call.
trace-rung-nobody = Extension { $extension } belongs to nobody, so nobody gets the card.
trace-rung-remedy = Say whose it is
trace-rung-none = The call is over, and nobody's phone rang. Look into the PBX where this number leads.
trace-rung-waits = Nobody's phone rings yet.
trace-card = The client's card is found by: { $why }.
trace-card-open = The client's card is open.
trace-card-withheld = The number is withheld, so there is no card.
trace-card-waits = No card yet.
trace-route = Asked who should ring, Ringcard said: { $targets } ({ $why }).
trace-route-nobody = Asked who should ring, Ringcard named nobody ({ $why }).
trace-route-none = The PBX has not asked who should ring; it decides by itself. If it should ask: is the question the first step of this very number?
trace-pop-waits = No card has popped yet.
trace-pop-out = An outgoing or internal call pops no card.
trace-pop-none = No card popped: nobody who was rung is known.
trace-pop-seen = { $name } has the card on the screen.
trace-pop-sent = The card was sent to the page of { $name }.
trace-pop-no-page = { $name } has no page open. Sign in there and call again.
trace-recording-none = No recording is told of.
setup-title = Set-up, step by step
setup-intro = Five steps to the first call: the account, people and their phones, your numbers, a test call, the card on the screen.
setup-going-on = Go on with
setup-which = Connect a PBX
setup-of = Set-up: { $account }
setup-hint = Each step shows what there is. You can leave and come back at any time.
setup-account = The account
setup-people = People and phones
setup-numbers = Your numbers
setup-call = Test call
setup-pop = The card is seen
setup-done = done
setup-next = next
setup-name = Name of the account: small letters, digits, - and _
setup-over = Interface
setup-over-ami = manager interface (AMI)
setup-over-ari = REST interface (ARI)
setup-tls = over TLS
setup-address = Its address, host:port; AMI: 5038, with TLS 5039; ARI: 8088, with TLS 8089
setup-user = User of the interface
setup-secret = Their secret; empty: one is made
setup-mango-where = Key and salt stand in the cabinet under “Интеграции → API коннектор”.
setup-mango-key = Unique code of your PBX
setup-mango-salt = Key for making the signature
setup-sipuni-where = For click to call and past calls: number of the cabinet and key of the API. Events come without them.
setup-sipuni-user = Number of the cabinet
setup-sipuni-secret = Key of the API
setup-area = Area code of local numbers, as 495; may stay empty
setup-add = Add the account
setup-added = The account is added and taken over.
setup-once = What is secret below is shown this once. Enter it at the PBX before you leave the page.
setup-secret-kept = <shown once; it is kept>
setup-test = Test the connection
setup-change = Change the account
setup-change-hint = Secrets are not shown. A secret left empty stays as it is; another field left empty is taken out. The account is taken over at once.
setup-unchanged = unchanged
setup-renew = Make anew the secrets that were made here; they are shown once and have to be entered at the PBX
setup-changed = The account is changed and taken over.
setup-remove = Remove the account
setup-remove-hint = Nothing more is taken from this PBX. Its calls and cards stay, and its files are moved into the folder “removed” beside those of other accounts.
setup-remove-name = Type the name to remove it: { $account }
setup-elsewhere = This account stands in the configuration file. Change or remove it there, then have the configuration read again on the page of accounts.
setup-mango-paste = Enter this address in the cabinet, as the address of the external system:
setup-mango-events = Switch on events of calls, summaries and recordings. The step is done when the first message has come.
setup-sipuni-paste = Enter this address in the cabinet under “Настройки → API → События АТС”:
setup-itoolabs-where = Events come with a token that is made here. Employees are known by their login: add them by “ringcard import”.
setup-itoolabs-address = Address of your PBX, as https://vats000001.megapbx.ru; for click to call and past calls
setup-itoolabs-key = Key of its API
setup-itoolabs-paste = Enter these in the cabinet under “Интеграция с CRM”: address of your CRM, and the token (key) of your CRM:
setup-calltouch-where = Calltouch tells where clients who call came from; the calls themselves come from a PBX. For past calls set site_id and api_key in the file of the account.
setup-calltouch-paste = Enter this address in the cabinet of Calltouch as a webhook at the start and at the end of calls:
setup-zadarma-where = Key and secret stand in the cabinet under “Настройки → Интеграции и API”. If its clock is not that of Moscow, set time_zone in the file of the account.
setup-zadarma-key = Key of the API
setup-zadarma-secret = Secret of the API
setup-zadarma-paste = Enter this address in the cabinet for notifications of the PBX, and switch all of them on:
setup-onlinepbx-where = The key stands in the cabinet under “Интеграция → API”. Without a key, connect it by description: config/webhook/onlinepbx.toml.
setup-onlinepbx-domain = Name of the PBX, as pbx000001.onpbx.ru
setup-onlinepbx-key = Key of the API
setup-onlinepbx-paste = Enter this address in the cabinet under “Профиль → Web hooks”, and tick all four events:
setup-twilio-where = SID and token stand in the console under “Account info”. Which phones ring for whom is said in the file of the account: docs/providers/twilio.en.md.
setup-twilio-sid = Account SID (AC…)
setup-twilio-token = Auth token
setup-twilio-otherwise = Number that rings if nobody is responsible, with a plus
setup-twilio-paste = Enter these in the console for your number: “A call comes in”, “Primary handler fails”, “Call status changes”, all with POST:
setup-sipgate-where = The token is made here. Whose phone rings, and the access for clicks, are set in the file of the account: docs/providers/sipgate.en.md.
setup-sipgate-paste = Enter this address at sipgate.io (webhooks), for incoming and for outgoing calls:
setup-zammad-where = For a PBX that can post its calls to the helpdesk Zammad. The token is made here; short numbers of people whom it knows by name are set in the file of the account.
setup-zammad-paste = Enter this address in the PBX, where the address of Zammad would stand:
setup-uis-where = For click to call, past calls and the list of employees: a key of the API, from the cabinet. Events come without it. Our address must stand in the list of allowed ones there.
setup-uis-secret = Key of the API (access_token)
setup-uis-paste = Make these notifications in the cabinet: channel “HTTP-запрос”, method POST, header Content-Type: application/json
setup-uis-route = Address for the scenario’s “Интерактивная обработка вызова”:
setup-asterisk-enter = What to enter at the Asterisk
setup-asterisk-files = Copy these files:
setup-asterisk-manager = In /etc/asterisk/manager.conf:
setup-asterisk-http = In /etc/asterisk/http.conf:
setup-asterisk-ari = In /etc/asterisk/ari.conf:
setup-asterisk-globals = In /etc/asterisk/extensions.conf:
setup-asterisk-trunk = In the context of your trunk, as the first step of every number that stands there; what was first becomes the next step. An exact number comes before the pattern _X., so a number that has a line of its own needs the step in that line:
setup-asterisk-reload = Then:
setup-asterisk-more = If Ringcard runs on another machine, put its address for 127.0.0.1. Recordings and the event log need paths on this machine and are set in the configuration: README.md.
setup-people-hint = Who has which short number. Their phone rings, and the card opens in their browser.
setup-person-made = { $name } has the phone now.
setup-link-once = This link signs the person in once; it is shown this once:
setup-extension = Short number
setup-who = Whose
setup-who-new = somebody new:
setup-person-name = Name
setup-person-add = Add
setup-lines-hint = The numbers that clients call, as calls tell them.
setup-number = Number
setup-line-name = What it is called
setup-line-group = Who rings, if the client has no manager
setup-group-all = everybody with a phone here, in turn
setup-group-none = as the PBX decides
setup-line-add = Add
setup-unseen = Not yet. Whose phone rings must be signed in with a page open.
probe-good = The connection stands: logged in, every right is there. Ringcard connects by itself within seconds.
probe-refused = Nobody listens at this address. Is the interface enabled there, and the port right?
probe-untrusted = Whoever answers speaks no TLS there, or shows a certificate that is not trusted. Is it the port with TLS? An authority of your own is named in the file of the account (tls_ca), another name in the certificate too (tls_name).
probe-unreachable = Nobody answers at this address. Check the name, the network, the firewall.
probe-hung-up = It hangs up at once. Is this machine's address permitted (permit) there?
probe-stranger = Something listens there that is not this interface.
probe-denied = The login was refused. Check user and secret.
probe-no-events = Logged in, but no event comes. Over AMI the user's read rights need at least call and system; ARI answers over its WebSocket since Asterisk 20.14 and 22.4.
probe-missing = Logged in, but rights are missing (write):
probe-gone = There is nothing to test.
error-account-name = A name is made of small letters, digits, - and _, and begins with a letter or digit.
error-account-taken = There is an account of this name.
error-account-address = An address is host:port.
error-account-site = An address is https:// and a host.
error-account-user = A user's name is made of letters, digits, dots, - and _.
error-account-secret = A secret is made of letters, digits and signs, without spaces.
error-account-area = An area code has up to five digits.
error-account-phone = A number is a plus and up to fifteen digits.
error-account-off = Here accounts are added in the configuration file ([accounts] folder is empty).
error-account-refused = The configuration has problems, so nothing was changed. The page of accounts says which.
error-account-elsewhere = This account stands in the configuration file and is changed there.
error-account-unconfirmed = To remove an account, type its name.
error-account-unwritten = The account could not be written. The log says why.
error-extension = A short number is made of digits.
error-extension-held = This short number belongs to somebody.
error-login = A sign-in name is made of small letters, digits, dots, -, _ and @.
error-login-taken = There is somebody with this sign-in name.
error-name = A name must not be empty.
error-line-number = This is no number: write it in full, or the digits by which the PBX knows it.
trace-event =
    { $n ->
        [one] { $n } message came.
       *[other] { $n } messages came.
    }
trace-dead =
    { $n ->
        [one] { $n } message could not be read.
       *[other] { $n } messages could not be read.
    }
setup-phones =
    { $n ->
        [one] { $n } phone of a person
       *[other] { $n } phones of people
    }
setup-lines =
    { $n ->
        [one] { $n } number
       *[other] { $n } numbers
    }
setup-seen =
    { $n ->
        [one] { $n } call has popped on a screen. Everything works.
       *[other] { $n } calls have popped on a screen. Everything works.
    }

trace-card-new = A new client: a card is made.
setup-first = No PBX is connected yet.
routed-owner = the client's manager
routed-deputy = stands in for the client's manager
routed-group = the turn of the line's group
routed-no-rule = no rule fits
routed-nobody-left = nobody else is left
routed-blocked = the number is blocked
routed-timeout = no answer in time
routed-store-away = the database was away
