"""The sample app of `npm run demo`: a shop with one price."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/price/{amount}")
async def price(amount: int) -> dict[str, int]:
    total = amount * 3
    return {"total": total}
