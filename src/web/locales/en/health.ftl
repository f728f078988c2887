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
