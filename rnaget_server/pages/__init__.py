"""The pages for people, next to the APIs: what the server offers, the API to try, and the checks for operators."""
