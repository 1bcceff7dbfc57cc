//! `docs/configuration.md`, written from the table of keys.

use std::fmt::Write as _;

use super::schema::{self, Key, Reload};
use super::values;

const OPENING: &str = "\
# Configuration

<!-- Written by `facetap generate configuration` from the table of keys; a test holds it. -->

One JSON file: that of `--config`, else of `$FACETAP_CONFIG`, else `/etc/facetap/config.json`; without any the defaults below
count. A key that is left out has its default. An unknown key, a wrong type or a value out of range stops the start with
status 2, and the message names the key, the file, what is allowed and the nearest known key.

```sh
facetap config check config.json               # says what is wrong
sudo facetap config set camera.fps 15          # changes one value, and nothing if the file were wrong then
sudo facetap reload                            # a running service takes over what it can, and names the rest
```

*Reload* says whether `facetap reload` is enough; the others take effect at the next start
(`sudo systemctl restart facetap`). Angles are degrees, times seconds.

An editor completes and checks the file while it is written, if the file names its schema, which the package has as
`/usr/share/facetap/facetap.schema.json` and the repository as `config/facetap.schema.json`:

```json
{
  \"$schema\": \"file:///usr/share/facetap/facetap.schema.json\"
}
```
";

/// The page.
#[must_use]
pub fn document() -> String {
    let mut page = OPENING.to_owned();
    let (groups, single): (Vec<&Key>, Vec<&Key>) =
        schema::children("").partition(|key| key.is_group());
    section(&mut page, "Top", None, &single);
    for group in groups {
        let inside: Vec<&Key> = schema::KEYS
            .iter()
            .filter(|key| key.path.starts_with(&format!("{}.", group.path)))
            .filter(|key| !key.is_group() || key.null)
            .collect();
        section(
            &mut page,
            &format!("`{}`", group.path),
            Some(group),
            &inside,
        );
    }
    page
}

fn section(page: &mut String, title: &str, group: Option<&Key>, keys: &[&Key]) {
    let defaults = values::defaults();
    // Writing to a text does not fail.
    let _ = write!(page, "\n## {title}\n\n");
    if let Some(group) = group {
        let later = if group.built {
            ""
        } else {
            "; without effect in this version"
        };
        let null = if group.null { "; may be `null`" } else { "" };
        let _ = write!(page, "{}{null}{later}.\n\n", capitalised(group.meaning));
    }
    page.push_str(
        "| key | allowed | default | reload | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys {
        let default = defaults
            .pointer(&key.pointer())
            .filter(|_| !key.is_group())
            .map_or_else(String::new, |value| format!("`{value}`"));
        let reload = match key.reload {
            Reload::AtStart => "",
            Reload::AtOnce => "yes",
            Reload::BetweenValues => "yes, not from or to `null`",
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | {reload} | {} |",
            key.path,
            cell(&key.allowed()),
            cell(key.meaning)
        );
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
