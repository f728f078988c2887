# Clients' cards.

card-nameless = No name

cards-title = Clients
cards-none = No clients yet: they come with the first calls or an import.
cards-not-found = Nobody found. Try a part of the name or the last digits of the number.
card-name = Name
card-company = Company
card-changed = Changed
card-rename = Change name and company
card-provisional = provisional
card-first-line = First came by
card-since = Client since
card-phones = Numbers
phone-kind-own = own
phone-kind-company = company
phone-kind-shared = shared
card-notes = Notes and changes
card-notes-none = No notes yet.
card-calls = Calls
card-calls-none = No calls yet.
card-event-created = card made by a call
card-event-imported = imported
card-event-owner = responsible person changed
card-event-renamed = renamed
card-event-touch = the client wrote

# ---- what stays and what goes
keep-title = Keeping
keep-reason = Reason
keep-needs-reason = A reason is needed, of at most 500 characters.
hold-on = Must stay:
hold-set = Set a legal hold
hold-lift = Lift the hold
hold-explain = What is held is neither let go of when its time is up nor erased.
erase-person = Erase this person
erase-explain = Card, numbers, notes, recordings and the text of messages go for good. Calls stay as calls of somebody unknown, so figures stay. The reason is kept and must not name the person.
erase-sure = I am sure; this cannot be taken back
erase-needs-sure = Please confirm that you are sure.
erase-ours = This is one of the company's own numbers.
erase-held = A legal hold is on this card or one of its calls.
erase-going-on = A call with this person goes on. Try again when it is over.
erase-names = The reason is kept and must not name the person.
erased-title = Erased
erased-found-nothing = Nothing of this person is left in the database.
erased-searched = { $values } values in { $columns } columns were read and compared.
erased-not-cleaned = Deleted rows stay readable in the database's files until an administrator runs `ringcard erase` without a person.
erased-table = Where
erased-rows = Rows changed or gone
erased-recordings = Recordings removed
erased-not-reached = Not reached: backups made before, logs kept elsewhere, and what the PBX keeps itself.
