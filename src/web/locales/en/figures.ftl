# Lines, channels, accounts.

