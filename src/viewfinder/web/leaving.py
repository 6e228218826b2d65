"""What a page does when its session ends elsewhere: it goes to the sign-in, from where one comes back to it."""

from nicegui import ui

# A lost connection alone says nothing: the server may be gone for a moment, and NiceGUI then waits for it. So the
# server is asked. The page that signs out itself is led on by its form.
_SCRIPT = """
let leaving = false;
document.addEventListener("submit", () => { leaving = true; });
async function leave() {
    const answer = leaving ? null : await fetch("/session").catch(() => null);
    if (answer?.status !== 401 || leaving) return;
    leaving = true;
    location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
}
window.socket.on("disconnect", leave);
window.socket.on("connect_error", leave);
"""


def leave_with_session() -> None:
    """Have the page go to the sign-in as soon as its session is over."""
    ui.run_javascript(_SCRIPT)
