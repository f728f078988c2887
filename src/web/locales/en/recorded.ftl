recorded-title = Recording by line
recorded-hint = What becomes of recordings of each number, what callers are told and whose consent it takes. A change counts for calls that begin from now on. What the PBX records by itself it goes on recording: switch it off there as well, or use Ringcard's dialplan, which asks.
recorded-kept = keep recordings
recorded-notice = Notice
recorded-notice-none = none
recorded-notice-pbx = the PBX announces by itself
recorded-notice-prompt = our answer names the file
recorded-prompt = File
recorded-consent = Consent
recorded-consent-free = not needed
recorded-consent-announced = whoever hears the notice and stays agrees
recorded-consent-asked = the client must say so: by a key or to the employee
recorded-since = Since
recorded-no-rule = Nobody has made a rule: everything is kept and nobody is asked.
recorded-no-pause = This PBX cannot pause a recording.
recorded-left = { $n ->
    [one] { $n } recording was left out by this rule.
   *[other] { $n } recordings were left out by this rule.
}
recorded-withheld = { $n ->
    [one] { $n } recording waits for consent.
   *[other] { $n } recordings wait for consent.
}
recorded-said-saved = Saved.
recorded-said-prompt = Name the file as the dialplan plays it: letters, digits, “_”, “-” and “/”.
recorded-said-nothing-announced = Consent by announcement needs a notice.
recorded-said-unreadable = This could not be read.
change-kind-recording = recording of
recording-mark-withheld = recording waits for consent
recording-state-withheld = The recording is here and nobody may hear it: the client's consent is not known.
recording-reason-line-not-recorded = Calls of this line are not recorded; what the PBX has was not fetched.
recording-reason-consent-refused = The client did not agree to the recording.
recording-reason-consent-missing = The consent it needed was not noted in time.
recording-withheld = The client's consent to this recording is not known.
fact-consents = recording: the client's word
fact-recording-pauses = recording paused
fact-recording-resumes = recording goes on
consent-heard = The client has heard the notice of recording.
consent-given = The client has agreed to the recording.
consent-refused = The client did not agree to the recording.
consent-ask = Has the client agreed to be recorded?
consent-yes = Yes, agreed
consent-no = No, delete it
consent-unreadable = Say whether the client has agreed.
pause-set = Pause recording
pause-resume = Go on recording
pause-on = The recording is paused.
pause-mark = not recorded
pause-to-the-end = to the end
pause-not-recorded = This call is not being recorded.
pause-unsupported = This PBX cannot pause a recording.
pause-refused = The PBX refused to pause the recording.
pauses-title = Not recorded:

purged-title = What has gone
purged-hint = Counted by day, rule and table; never what it said. Legal holds keep things from going.
purged-none = Nothing has gone yet.
purged-at = When
purged-rule = Class or rule
purged-what = Of what
purged-gone = How many
purged-before = Older than
purged-who = Asked by
purged-detail = Note
purged-holds = Legal holds
purged-no-holds = Nothing is under a hold.
purged-hold-object = What
purged-hold-reason = Why
purged-hold-since = Since
purged-hold-by = Set by
purged-upkeep = upkeep or command line
purge-rule-recordings = recordings
purge-rule-calls = calls
purge-rule-cards = cards without calls
purge-rule-erase = a person erased
purge-rule-consent = consent
purge-rule-consent-refused = consent refused
purge-rule-consent-missing = consent not noted in time
