# Tokens of the API and its documentation.

tokens-title = API tokens
tokens-explain = A token lets another program do what you may do, and only what it is for.
tokens-docs = How to use it
tokens-none = There are no tokens yet.
token-once = Copy the token now: it cannot be shown again.
token-new = A new token
token-name = Name
token-holder = Rights of
token-service = Service: { $role }
token-scopes = What it is for
token-used = Last used
token-ends = Works until
token-never = never
token-revoked = revoked
token-revoke = Revoke
token-make = Make a token
token-days =
    { $n ->
        [one] { $n } day
       *[other] { $n } days
    }
me-tokens = API tokens

error-token-name = The token needs a name, not too long a one.
error-token-scopes = Say what the token is for: at least one thing.
error-token-days = Choose how long the token works.

scope-calls-read = Read calls
scope-calls-dial = Have my phone call a client
scope-cards-read = Read clients' cards
scope-cards-write = Change cards and write notes
scope-numbers = See numbers in full where I may
scope-lines-read = Read lines and channels
scope-recordings-read = Fetch recordings
scope-tasks-read = Read tasks
scope-tasks-write = Close tasks
scope-touches-read = Read forms, letters and chats
scope-touches-write = Hand in forms, letters and chats
scope-availability-read = Read who can be rung
scope-availability-write = Say who can be rung

docs-title = The API
docs-explain = Other programs ask over HTTP, with a token in the header. Names of fields and words are the same in every language.
docs-document = OpenAPI document
docs-scope = Scope:
docs-parameter = Parameter
docs-field = Field
docs-type = Type
docs-meaning = Meaning
docs-optional = optional
docs-body = Body:
docs-answers = Answers:
docs-types = Types
docs-problems = Problems
docs-problems-explain = Whatever could not be done is told as application/problem+json.
