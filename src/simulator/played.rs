//! Which PBXes can be played, by the word under which the configuration knows them.
//!
//! Adding one: its file beside this one, its variant of [`Account`], and its entry in [`PLAYED`]. What runs
//! all dialects together (`tests/sim/together.rs`) then plays it too.

use super::{
    ami::Asterisk,
    itoolabs::Itoolabs,
    mango::Mango,
    office::Account,
    onlinepbx::OnlinePbx,
    sipgate::{self, Sipgate},
    sipuni::Sipuni,
    twilio::Twilio,
    uis::Uis,
    zadarma::Zadarma,
    zammad::Zammad,
};

/// A PBX that can be played.
pub struct Played {
    /// `type` of its accounts.
    pub provider: &'static str,
    /// The setting of an account that stands for all it says: key, token or password.
    pub secret: &'static str,
    /// A second one, where it takes two.
    pub salt: Option<&'static str>,
    /// Secrets that an account cannot do without and no message needs.
    pub idle_secrets: &'static [&'static str],
    /// What else an account that is played needs, as lines of TOML: nothing of it leads out of the machine.
    pub besides: &'static str,
    /// Lines of TOML with which such an account asks who should ring, by [`Account::question`]; `None`: it
    /// does not ask.
    pub asks: Option<&'static str>,
    /// Whether the gateway dials it, instead of being posted to.
    pub is_dialled: bool,
    /// Opens an account.
    pub open: fn(Opening) -> Account,
}

/// What an account that is played is made of.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Our name of the account.
    pub account: String,
    /// Value of [`Played::secret`].
    pub secret: String,
    /// Value of [`Played::salt`].
    pub salt: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

/// Where nobody listens: what is asked of a PBX that is only played fails at once.
const NOWHERE: &str = "api_url = \"http://127.0.0.1:9\"\n";
/// The second setting of those who sign the address that a message is posted to.
const ADDRESS: &str = "hook_url";

/// Every PBX that can be played.
pub static PLAYED: &[Played] = &[
    Played {
        provider: "mango",
        secret: "vpbx_api_key",
        salt: Some("vpbx_api_salt"),
        idle_secrets: &[],
        besides: NOWHERE,
        asks: None,
        is_dialled: false,
        open: mango,
    },
    Played {
        provider: "sipuni",
        secret: "token",
        salt: None,
        idle_secrets: &[],
        besides: NOWHERE,
        asks: Some(""),
        is_dialled: false,
        open: sipuni,
    },
    Played {
        provider: "itoolabs",
        secret: "crm_token",
        salt: None,
        idle_secrets: &[],
        besides: "",
        asks: Some(""),
        is_dialled: false,
        open: itoolabs,
    },
    Played {
        provider: "uis",
        secret: "token",
        salt: None,
        idle_secrets: &[],
        besides: "",
        asks: Some(""),
        is_dialled: false,
        open: uis,
    },
    Played {
        provider: "zadarma",
        secret: "api_secret",
        salt: Some("token"),
        idle_secrets: &["api_key"],
        besides: NOWHERE,
        asks: Some("route_calls = true\n"),
        is_dialled: false,
        open: zadarma,
    },
    Played {
        provider: "novofon",
        secret: "api_secret",
        salt: Some("token"),
        idle_secrets: &["api_key"],
        besides: NOWHERE,
        asks: Some("route_calls = true\n"),
        is_dialled: false,
        open: zadarma, // the same API under another name
    },
    Played {
        provider: "onlinepbx",
        secret: "token",
        salt: None,
        idle_secrets: &["api_key"],
        besides: "api_url = \"http://127.0.0.1:9\"\ndomain = \"pbx000007.onpbx.ru\"\n",
        asks: Some("[pbx.route]\nbody = '{\"extension\":\"{extension}\"}'\nnobody = '{}'\n"),
        is_dialled: false,
        open: onlinepbx,
    },
    Played {
        provider: "twilio",
        secret: "auth_token",
        salt: Some(ADDRESS),
        idle_secrets: &[],
        besides: TWILIO,
        asks: Some(""),
        is_dialled: false,
        open: twilio,
    },
    Played {
        provider: "zammad",
        secret: "token",
        salt: None,
        idle_secrets: &[],
        besides: "",
        asks: Some("route_calls = true\nnames_target = true\n"),
        is_dialled: false,
        open: zammad,
    },
    Played {
        provider: "sipgate",
        secret: "token",
        salt: None,
        idle_secrets: &[],
        besides: sipgate::SETTINGS,
        asks: Some("route_calls = true\n"),
        is_dialled: false,
        open: sipgate,
    },
    Played {
        provider: "asterisk",
        secret: "secret",
        salt: None,
        idle_secrets: &[],
        besides: "",
        asks: None,
        is_dialled: true,
        open: asterisk,
    },
];

/// Whose phones are dialled where, and who rings for want of others.
const TWILIO: &str = "api_url = \"http://127.0.0.1:9\"\naccount_sid = \"AC1\"\notherwise = [\"201\"]\n\
    phones = { 201 = \"sip:201@office.example\", 202 = \"sip:202@office.example\", \
    203 = \"sip:203@office.example\", 204 = \"sip:204@office.example\", \
    205 = \"sip:205@office.example\", 206 = \"sip:206@office.example\", \
    207 = \"sip:207@office.example\", 208 = \"sip:208@office.example\" }\n";

/// The one that is called so.
pub fn find(provider: &str) -> Option<&'static Played> {
    PLAYED.iter().find(|played| played.provider == provider)
}

impl Played {
    /// An account's table in the configuration. `secret` and `salt` may be references (`env:NAME`). The
    /// address of one that is dialled has to be added.
    pub fn table(&self, account: &str, secret: &str, salt: &str) -> String {
        let mut table = format!(
            "[[pbx]]\nname = \"{account}\"\ntype = \"{}\"\n{} = \"{secret}\"\n",
            self.provider, self.secret
        );
        for name in self.salt.iter().chain(self.idle_secrets) {
            table.push_str(&format!("{name} = \"{salt}\"\n"));
        }
        table + self.besides
    }

    /// A value of [`Played::salt`] for an account that is only played.
    pub fn any_salt(&self) -> String {
        match self.salt {
            Some(ADDRESS) => format!("https://gateway.invalid/hooks/{}", self.provider),
            _ => "played-salt-0123456789".to_owned(),
        }
    }
}

fn mango(opening: Opening) -> Account {
    Account::Mango(Mango {
        account: opening.account,
        key: opening.secret,
        salt: opening.salt,
        run: opening.run,
    })
}

fn sipuni(opening: Opening) -> Account {
    Account::Sipuni(Sipuni {
        account: opening.account,
        token: opening.secret,
        records: "https://records.invalid/record".to_owned(),
        run: opening.run,
    })
}

fn itoolabs(opening: Opening) -> Account {
    Account::Itoolabs(Itoolabs {
        account: opening.account,
        token: opening.secret,
        records: "https://records.invalid".to_owned(),
        run: opening.run,
    })
}

fn uis(opening: Opening) -> Account {
    Account::Uis(Uis {
        account: opening.account,
        token: opening.secret,
        records: "https://records.invalid/talk".to_owned(),
        run: opening.run,
    })
}

fn zadarma(opening: Opening) -> Account {
    Account::Zadarma(Zadarma {
        account: opening.account,
        token: opening.salt,
        secret: opening.secret,
        run: opening.run,
    })
}

fn onlinepbx(opening: Opening) -> Account {
    Account::OnlinePbx(OnlinePbx {
        account: opening.account,
        token: opening.secret,
        records: "https://records.invalid".to_owned(),
        run: opening.run,
    })
}

fn twilio(opening: Opening) -> Account {
    Account::Twilio(Twilio {
        account: opening.account,
        hook_url: opening.salt.trim_end_matches('/').to_owned(),
        token: opening.secret,
        run: opening.run,
    })
}

fn zammad(opening: Opening) -> Account {
    Account::Zammad(Zammad {
        account: opening.account,
        token: opening.secret,
        run: opening.run,
    })
}

fn sipgate(opening: Opening) -> Account {
    Account::Sipgate(Sipgate {
        account: opening.account,
        token: opening.secret,
        run: opening.run,
    })
}

fn asterisk(opening: Opening) -> Account {
    Account::Asterisk(Asterisk {
        account: opening.account,
        trunk: "trunk".to_owned(),
        recordings: "/var/spool/asterisk/monitor".to_owned(),
        run: opening.run,
    })
}
