# Reading the configuration anew, watching a test call, the guided set-up.

reload-title = Configuration
reload-hint = The file is read at start, by this button, by SIGHUP and by “ringcard reload”. A file with a mistake changes nothing.
reload-now = Read the configuration anew
reload-taken = taken over
reload-refused = nothing was changed
reload-accounts = Accounts that came, went or changed:
reload-restart = Waits for a restart:
