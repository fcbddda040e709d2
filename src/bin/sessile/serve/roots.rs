//! The roots and their state.

use anyhow::Result;
use sessile::RootInfo;

use super::Site;
use super::response::Response;
use crate::html::{self, escape::text};
use crate::render::local_time;

pub(super) fn page(site: &Site<'_>) -> Result<Response> {
    let mut out = html::head("Roots", &site.around("roots", true), "");
    out.push_str(
        "</header>\n<main>\n<table>\n<tr><th>Root</th><th>Of</th><th>Program</th><th class=\"n\">Sessions</th>\
         <th class=\"n\">Files</th><th class=\"n\">Only here</th><th>Last import</th><th>Now</th></tr>\n",
    );
    for root in site.store.imported_roots()? {
        out.push_str(&row(&root));
    }
    out.push_str("</table>\n</main>\n</body>\n</html>\n");
    Ok(Response::page(out))
}

fn row(root: &RootInfo) -> String {
    let (name, now) = match (root.root.as_os_str().is_empty(), root.root.is_dir()) {
        (true, _) if root.origin.is_some() => ("taken over".into(), ""),
        (true, _) => ("made here".into(), ""),
        (false, true) => (root.root.to_string_lossy(), "is there"),
        (false, false) => (root.root.to_string_lossy(), "is not there"),
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td>{}</td><td>{now}</td></tr>\n",
        text(&name),
        text(root.origin.as_deref().unwrap_or_default()),
        root.format.name(),
        root.sessions,
        root.files,
        root.changed,
        root.imported_at.map(local_time).unwrap_or_default(),
    )
}
