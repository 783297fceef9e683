"""From the matrices that users have to native stores."""
