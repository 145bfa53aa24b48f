"""The board: receives what runs publish, keeps it, and shows it in the browser.

It is reached by HTTP only and knows nothing but the published JSON, so that it can
serve as an example for whoever writes a consumer of their own.
"""
