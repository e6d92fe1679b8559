//! The HTTP server: connections, limits, routes, pages. Media comes ready-made from `package`.
