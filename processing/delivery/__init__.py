"""Work that is asked for and handed back in other ways than one by one."""
