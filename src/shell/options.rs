//! What `set` and `shopt` turn on and off.

/// What `set` turns on and off.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-a`: what is assigned is exported.
    pub allexport: bool,
    /// `-e`: end at the first failure.
    pub errexit: bool,
    /// `-u`: an unset variable is an error.
    pub nounset: bool,
    /// `-x`: show commands.
    pub xtrace: bool,
    /// `-v`: show what is read.
    pub verbose: bool,
    /// `-n`: read only.
    pub noexec: bool,
    /// `-f`: no file name patterns.
    pub noglob: bool,
    /// `-C`: `>` does not overwrite.
    pub noclobber: bool,
    /// `-o pipefail`
    pub pipefail: bool,
    /// Those that only are remembered, by name.
    others: Vec<&'static str>,
    /// `shopt` options that differ from [`SHOPT`], by name.
    flipped: Vec<&'static str>,
}

/// The names of `set -o`, with their letters; `\0` where there is none.
pub const SET: [(&str, char); 27] = [
    ("allexport", 'a'),
    ("braceexpand", 'B'),
    ("emacs", '\0'),
    ("errexit", 'e'),
    ("errtrace", 'E'),
    ("functrace", 'T'),
    ("hashall", 'h'),
    ("histexpand", 'H'),
    ("history", '\0'),
    ("ignoreeof", '\0'),
    ("interactive-comments", '\0'),
    ("keyword", 'k'),
    ("monitor", 'm'),
    ("noclobber", 'C'),
    ("noexec", 'n'),
    ("noglob", 'f'),
    ("nolog", '\0'),
    ("notify", 'b'),
    ("nounset", 'u'),
    ("onecmd", 't'),
    ("physical", 'P'),
    ("pipefail", '\0'),
    ("posix", '\0'),
    ("privileged", 'p'),
    ("verbose", 'v'),
    ("vi", '\0'),
    ("xtrace", 'x'),
];

/// The names of `shopt` in its own order, and how they stand in a script.
pub const SHOPT: [(&str, bool); 57] = [
    ("autocd", false),
    ("assoc_expand_once", false),
    ("cdable_vars", false),
    ("cdspell", false),
    ("checkhash", false),
    ("checkjobs", false),
    ("checkwinsize", true),
    ("cmdhist", true),
    ("compat31", false),
    ("compat32", false),
    ("compat40", false),
    ("compat41", false),
    ("compat42", false),
    ("compat43", false),
    ("compat44", false),
    ("complete_fullquote", true),
    ("direxpand", false),
    ("dirspell", false),
    ("dotglob", false),
    ("execfail", false),
    ("expand_aliases", false),
    ("extdebug", false),
    ("extglob", false),
    ("extquote", true),
    ("failglob", false),
    ("force_fignore", true),
    ("globasciiranges", true),
    ("globskipdots", true),
    ("globstar", false),
    ("gnu_errfmt", false),
    ("histappend", false),
    ("histreedit", false),
    ("histverify", false),
    ("hostcomplete", true),
    ("huponexit", false),
    ("inherit_errexit", false),
    ("interactive_comments", true),
    ("lastpipe", false),
    ("lithist", false),
    ("localvar_inherit", false),
    ("localvar_unset", false),
    ("login_shell", false),
    ("mailwarn", false),
    ("no_empty_cmd_completion", false),
    ("nocaseglob", false),
    ("nocasematch", false),
    ("noexpand_translation", false),
    ("nullglob", false),
    ("patsub_replacement", true),
    ("progcomp", true),
    ("progcomp_alias", false),
    ("promptvars", true),
    ("restricted_shell", false),
    ("shift_verbose", false),
    ("sourcepath", true),
    ("varredir_close", false),
    ("xpg_echo", false),
];

impl Options {
    fn slot(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "allexport" => &mut self.allexport,
            "errexit" => &mut self.errexit,
            "nounset" => &mut self.nounset,
            "xtrace" => &mut self.xtrace,
            "verbose" => &mut self.verbose,
            "noexec" => &mut self.noexec,
            "noglob" => &mut self.noglob,
            "noclobber" => &mut self.noclobber,
            "pipefail" => &mut self.pipefail,
            _ => return None,
        })
    }

    /// Turns an option of `set -o` on or off; false where there is none of this name.
    pub fn set(&mut self, name: &str, on: bool) -> bool {
        if let Some(slot) = self.slot(name) {
            *slot = on;
            return true;
        }
        let Some((name, _)) = SET.iter().find(|(n, _)| *n == name) else { return false };
        toggle(&mut self.others, name, on != initially(name));
        true
    }

    /// Is an option of `set -o` on?
    pub fn is_set(&self, name: &str) -> bool {
        match name {
            "allexport" => self.allexport,
            "errexit" => self.errexit,
            "nounset" => self.nounset,
            "xtrace" => self.xtrace,
            "verbose" => self.verbose,
            "noexec" => self.noexec,
            "noglob" => self.noglob,
            "noclobber" => self.noclobber,
            "pipefail" => self.pipefail,
            name => self.others.contains(&name) != initially(name),
        }
    }

    /// The name of the option with a letter.
    pub fn by_letter(letter: char) -> Option<&'static str> {
        SET.iter().find(|(_, l)| *l == letter && letter != '\0').map(|(name, _)| *name)
    }

    /// How an option of `shopt` stands; `None` where there is none of this name.
    pub fn shopt(&self, name: &str) -> Option<bool> {
        let (name, on) = SHOPT.iter().find(|(n, _)| *n == name)?;
        Some(*on != self.flipped.contains(name))
    }

    /// Turns an option of `shopt` on or off; false where there is none of this name.
    pub fn set_shopt(&mut self, name: &str, on: bool) -> bool {
        let Some((name, initial)) = SHOPT.iter().find(|(n, _)| *n == name) else { return false };
        toggle(&mut self.flipped, name, on != *initial);
        true
    }
}

fn initially(name: &str) -> bool {
    matches!(name, "braceexpand" | "hashall" | "interactive-comments")
}

fn toggle(list: &mut Vec<&'static str>, name: &'static str, in_it: bool) {
    list.retain(|n| *n != name);
    if in_it {
        list.push(name);
    }
}
