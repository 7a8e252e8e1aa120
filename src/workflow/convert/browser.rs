//! Node types of extensions that exist in the browser alone: no server has them, though the
//! extension is installed there.

/// Types of `KJNodes`, `rgthree-comfy` and others that their own script takes out before a prompt
/// is sent.
const BROWSER_ONLY: [&str; 13] = [
    "SetNode",
    "GetNode",
    "easy setNode",
    "easy getNode",
    "Reroute (rgthree)",
    "Fast Muter (rgthree)",
    "Fast Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)",
    "Fast Groups Bypasser (rgthree)",
    "Fast Actions Button (rgthree)",
    "Node Collector (rgthree)",
    "Label (rgthree)",
    "Bookmark (rgthree)",
];

/// Whether only a browser with the extension knows what to do with nodes of this type.
pub fn is_browser_only(type_name: &str) -> bool {
    BROWSER_ONLY.contains(&type_name)
}
