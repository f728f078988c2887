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
