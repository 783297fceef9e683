"""The pages for people, beside the APIs: what the server offers, the API to try, and the checks for operators."""
