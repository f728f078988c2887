# Clients' cards.

card-nameless = No name
