//! Which readers are used (`cards.readers`).

use crate::config::Readers as Configured;

/// Which readers are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every one.
    All,
    /// Those whose name is or contains one of these, whatever the case.
    Named(Vec<String>),
}

/// Whether the configuration asks for the simulated reader.
#[must_use]
pub fn is_simulated(configured: &Configured) -> bool {
    names(configured).iter().any(|n| n == "simulated")
}

fn names(configured: &Configured) -> &[String] {
    match configured {
        Configured::One(name) => std::slice::from_ref(name),
        Configured::Several(names) => names,
    }
}

impl Selection {
    /// As configured; the simulated reader is all there is where it is asked for.
    #[must_use]
    pub fn new(configured: &Configured) -> Self {
        let names = names(configured);
        if names.iter().any(|n| n == "all" || n == "simulated") {
            Self::All
        } else {
            Self::Named(names.iter().map(|n| n.to_lowercase()).collect())
        }
    }

    /// Whether the reader of this name is used.
    #[must_use]
    pub fn includes(&self, reader: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => {
                let reader = reader.to_lowercase();
                names.iter().any(|n| reader.contains(n.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_in_whole_or_in_part() {
        let one = |name: &str| Selection::new(&Configured::One(name.into()));
        assert!(one("all").includes("Virtual PCD 00 01"));
        assert!(one("Virtual PCD 00 01").includes("Virtual PCD 00 01"));
        assert!(!one("Virtual PCD 00 01").includes("Virtual PCD 00 00"));
        assert!(one("acr122u").includes("ACS ACR122U PICC Interface 00 00"));
        let several = Selection::new(&Configured::Several(vec![
            "ACR122".into(),
            "RC-S300".into(),
        ]));
        assert!(several.includes("SONY FeliCa RC-S300/S 00 00"));
        assert!(!several.includes("Virtual PCD 00 00"));
    }
}
