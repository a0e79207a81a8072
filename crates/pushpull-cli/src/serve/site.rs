//! The options about a directory of files and programs.

use std::ffi::OsString;

use pushpull_gateway::{PathSet, Site};

use super::wrong::Wrong;

/// The options as given.
#[derive(Default)]
pub struct SiteOptions {
    pub root: Option<OsString>,
    pub listing: bool,
    pub follow_links: bool,
    /// If empty, the index depends on what is served.
    pub index: Vec<String>,
    programs: PathSet,
    hidden: PathSet,
}

impl SiteOptions {
    pub fn add_programs(&mut self, programs: PathSet) {
        self.programs = std::mem::take(&mut self.programs).with(programs);
    }

    pub fn hide(&mut self, hidden: PathSet) {
        self.hidden = std::mem::take(&mut self.hidden).with(hidden);
    }

    pub fn has_programs(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Returns an option that was given although there is no directory.
    pub fn without_root(&self) -> Option<&'static str> {
        let said = [
            ("cgi or --cgi-bin", self.has_programs()),
            ("listing", self.listing),
            ("follow-links", self.follow_links),
            ("index", !self.index.is_empty()),
            ("hide", !self.hidden.is_empty()),
        ];
        said.into_iter().find(|(_, is_said)| self.root.is_none() && *is_said).map(|(name, _)| name)
    }

    /// Creates the site: the root, or else the current directory with listings. If its index is given and a program, it
    /// is the front controller too.
    pub fn site(&self, programs: PathSet, index: &[&str]) -> Result<Site, Wrong> {
        let programs = programs.with(self.programs.clone());
        let root = self.root.clone().unwrap_or_else(|| ".".into());
        let unusable = |error| Wrong::Named { name: "root", what: format!("{error}; expected a directory") };
        let site = Site::new(root).map_err(unusable)?;
        let front_controller = self.index.iter().find(|name| programs.has_name(name)).cloned();
        let site = match self.index.is_empty() {
            true => site.index(index.iter().copied()),
            false => site.index(&self.index),
        };
        let site = front_controller.into_iter().fold(site, Site::front_controller);
        Ok(site
            .programs(programs)
            .hide(self.hidden.clone())
            .listing(self.listing || self.root.is_none())
            .follow_links(self.follow_links))
    }
}
