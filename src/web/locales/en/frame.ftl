# Frame: navigation, sign-in, errors, own settings.

skip-to-content = Skip to content
nav-label = Sections
nav-desk = Desk
nav-me = My settings
search-label = Find a client
search-placeholder = Client or number
language-label = Language
pops-label = Calls on screen
connection-lost = Connection to the server is lost, reconnecting…

sign-in = Sign in
sign-out = Sign out
login = Sign-in name
password = Password
sign-in-hint = No password? Ask your administrator for a one-time sign-in link.
sign-in-failed = Name or password does not fit.
link-greeting = Hello, { $name }
link-explain = This link works once: after signing in it is used up. You can set a password in your settings.

password-change = Password
password-current = Current password
password-new = New password
password-again = New password again
password-set = The new password is set. Other devices have to sign in again.
password-hint =
    { $n ->
        [one] At least { $n } character.
       *[other] At least { $n } characters.
    }
save = Save

role-manager = Manager
role-head = Head of department
role-marketer = Marketer
role-quality = Quality control
role-owner = Owner
role-administrator = Administrator

error-title = That did not work
error-home = To the desk
error-not-found = There is no such page, or you may not see it.
error-forbidden = You have no right to do this.
error-sign-in-first = Please sign in first.
error-forged = The form is out of date. Open the page again and retry.
error-too-many = Too many tries. Wait a minute.
error-too-large = The text is too long.
error-unavailable = The data cannot be read right now. Try again in a minute.
error-link-used = This link has been used or is out of date. Ask for a new one.
error-unknown-language = There is no such language.
error-password-length = The password is too short or too long.
error-password-again = The two new passwords differ.
error-password-current = The current password does not fit.

span-minutes =
    { $n ->
        [0] less than a minute
       *[other] { $n } min
    }
span-hours = { $n } h
span-days =
    { $n ->
        [one] { $n } day
       *[other] { $n } days
    }
size-kilobytes = { $n } KB
size-megabytes = { $n } MB
size-gigabytes = { $n } GB

nav-journal = Calls
nav-cards = Clients
nav-lines = Lines
nav-accounts = PBX accounts
pages-label = Pages of the list
pages-newest = Newest
pages-older = Older
pages-more = More
error-no-number = There is no number to call here.
error-no-extension = You have no extension. Ask your administrator.
error-call-unsupported = This PBX cannot place calls on command.
error-call-refused = The PBX refused this number.
milliseconds = { $n } ms
microseconds = { $n } µs

keys-title = Keys
keys-search = find a client
keys-desk = desk
keys-journal = calls
keys-open = open the caller's card
keys-note = write a note
keys-results = result of the call
keys-hide = hide the pop
keys-play = play or pause
keys-skip = back and forward by 5 seconds, with Shift by 30
keys-speed = slower and faster
keys-off = Do not use single-letter keys in this browser

alerts-title = When your phone rings
alerts-notice = Show a notification while you look elsewhere
alerts-ring = Ring in this browser
alerts-denied = The browser does not allow notifications of this page. Allow them beside the address, then try again.
alerts-insecure = This browser shows notifications only of pages with https.
alerts-hint = For this browser, in one of its pages, and only for calls that ring at you. A page may sound once you have clicked in it.
