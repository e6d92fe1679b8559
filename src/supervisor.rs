//! Named threads, stop requests, and the service manager.
